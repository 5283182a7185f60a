"""What lies below a URL: listed once, then known to the whole process."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from curate.remote.client import place_of, request

MAX_AGE_S: Final = 600.0
"""A listing that is older is made anew when a data set is opened."""

_VERSIONS: Final = (
    "ETag", "etag", "md5Hash", "content_md5", "blob_id", "mtime", "LastModified", "last_modified",
    "created",
)  # fmt: skip
"""What stores call that which changes when an object does, the best first."""


class Known(NamedTuple):
    """Bytes of an object, and a number that changes when it does; a folder has none."""

    size: int
    version: int


FOLDER: Final = Known(-1, 0)


@dataclass(slots=True)
class Tree:
    """All objects below a URL.

    Attributes
    ----------
    folders : dict of str to dict of str to Known
        The URL of each folder -> what is in it, by name.
    made : float
        When it was listed.
    """

    folders: dict[str, dict[str, Known]] = field(default_factory=dict)
    made: float = field(default_factory=time.monotonic)

    def add(self, root: str, path: str, known: Known) -> None:
        """Add an object, and the folders it lies in."""
        folder, _, name = path.rpartition("/")
        inside = self.folders.get(folder)
        if inside is None:
            inside = self.folders[folder] = {}
            if folder != root:
                self.add(root, folder, FOLDER)
        inside[name] = known


_trees: Final[dict[str, Tree]] = {}
_objects: Final[dict[str, Known]] = {}
_lock: Final = threading.Lock()


def list_below(root: str) -> Tree:
    """List everything below a URL, unless that was done lately; errors as of `request`."""
    with _lock:
        tree = _trees.get(root)
    if tree is None or time.monotonic() - tree.made > MAX_AGE_S:
        start = place_of(root).rstrip("/")
        tree = Tree()
        try:
            found = request("list", root, "find", start, detail=True)
        except FileNotFoundError:
            found = {}
        for path, about in found.items():
            if about["type"] == "file" and path != start:
                tree.add(root, f"{root}/{path[len(start) :].lstrip('/')}", _read(about))
        with _lock:
            _trees[root] = tree
    return tree


def forget() -> None:
    """Know nothing any more."""
    with _lock:
        _trees.clear()
        _objects.clear()


def entries(folder: str) -> dict[str, Known]:
    """Return what is in a folder.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    for root, tree in _around(folder):
        if folder in tree.folders:
            return tree.folders[folder]
        if root != folder:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder)
    return list_below(folder).folders.get(folder, {})


def look_up(url: str) -> Known:
    """Tell what is known of an object or folder, asking the store where nothing is.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    """
    for _, tree in _around(url):
        if url in tree.folders:
            return FOLDER
        folder, _, name = url.rpartition("/")
        known = tree.folders.get(folder, {}).get(name)
        if known is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url)
        if known.size >= 0:
            return known
    if any(root.startswith(f"{url}/") for root in _trees):
        return FOLDER
    if url not in _objects:
        about = request("find", url, "info", place_of(url))
        _objects[url] = _read(about) if about["type"] == "file" else FOLDER
    return _objects[url]


def is_listed(url: str) -> bool:
    """Tell whether all that lies around a URL is known."""
    return bool(_around(url))


def _around(url: str) -> list[tuple[str, Tree]]:
    """List the trees that a URL lies in."""
    return [each for each in _trees.items() if url == each[0] or url.startswith(f"{each[0]}/")]


def _read(about: dict[str, Any]) -> Known:
    """Read what a store says of an object; -1 where it does not say the size."""
    told = next((about[name] for name in _VERSIONS if about.get(name)), "")
    digest = hashlib.sha256(repr(told).encode()).digest()
    size = about.get("size")
    return Known(-1 if size is None else int(size), int.from_bytes(digest[:6], "big"))
