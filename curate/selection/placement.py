"""Where the files of a subset go, and how original files get there."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from curate import remote
from curate.data import images, shards
from curate.errors import StoreError
from curate.files import atomic, transfer

if TYPE_CHECKING:
    from collections.abc import Callable

    from curate.selection.kept_copies import KeptCopies

_LEADS_OUT: Final = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|\0" + ("" if os.sep == "/" else r"|[:\\]"))

_NOT_HERE: Final = {
    errno.EXDEV: "they are on different disks",
    errno.EPERM: "this disk or system does not allow it",
    errno.ENOTSUP: "this disk does not have it",
    errno.EMLINK: "the file has too many links",
}


def join_inside(folder: Path | str, relative: str) -> str:
    """Append a ``/``-separated path to a folder.

    Raises
    ------
    StoreError
        If it is absolute, empty, or has an empty, ``.`` or ``..`` part or a NUL character.
    """
    if _LEADS_OUT.search(relative):
        msg = (
            f"the score file holds the path {relative!a}, which leads out of the data set. "
            "Score the data set again; do not use this file."
        )
        raise StoreError(msg)
    return f"{folder}/{relative}"


def symlink(source: str, target: str) -> None:
    """Link to the original by the way from here to there, so that both can be moved together."""
    folder, name = _find_original(source)
    try:
        os.symlink(f"{_way(folder, target.rpartition('/')[0])}/{name}", target)  # noqa: PTH211
    except OSError as error:
        _explain(error, "symlink", source, target, "copy")
        raise


def hardlink(source: str, target: str) -> None:
    """Give the original, an absolute path, a second name; both must be on one disk."""
    try:
        if os.link in os.supports_dir_fd:
            # A descriptor, which no absolute path makes use of, is what lets it follow links.
            os.link(source, target, src_dir_fd=0)
        else:
            os.link(_original(source), target)
    except OSError as error:
        _explain(error, "hardlink", source, target, "symlink or copy")
        raise


def copy(source: str, target: str) -> None:
    """Copy the content."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o666))
    shutil.copyfile(source, target)


def leave(source: str, target: str) -> None:
    """Put nothing there."""


MEDIA: Final[dict[str, Callable[[str, str], None]]] = {
    "symlink": symlink,
    "hardlink": hardlink,
    "copy": copy,
    "none": leave,
}
"""Ways to put an original file, the first argument, at a new path, the second.

Where something is already, they raise `FileExistsError`.
"""


@dataclass(frozen=True, slots=True)
class Placement:
    """Puts the files of a subset in place.

    Attributes
    ----------
    folder : Path
        Where to write now.
    final : Path
        What the folder will be called once it is complete.
    media : str
        Key of `MEDIA`.
    written : list of Path
        Files whose content is new, unlike that of links to files that were there before.
    copies : KeptCopies, optional
        What makes copies, and has those of an interrupted export.
    """

    folder: Path
    final: Path
    media: str
    written: list[Path] = field(default_factory=list)
    copies: KeptCopies | None = None
    _folders: set[str] = field(default_factory=set)

    def place(self, original: str, relative: str) -> None:
        """Link or copy a file, named by its absolute path, into the subset."""
        if self.media == "none":
            return
        path = remote.as_path(original)
        if isinstance(path, remote.RemotePath) and not shards.is_inside(original):
            if not transfer.copy_to(self.final, path, relative):
                self.write(relative, images.read_file(path, "image"))
            return
        member = shards.find(path) if shards.is_inside(original) else None
        if member is not None:  # no file that could be linked
            with atomic.disk_errors("read", path):
                content = shards.read(*member)
            self.write(relative, content)
            return
        target = self._make_room(relative)
        try:
            if self.copies:
                self.copies.put(original, relative, target)
            else:
                MEDIA[self.media](original, target)
        except FileExistsError:
            raise taken(relative) from None
        if self.media == "copy":
            self.written.append(Path(target))

    def write(self, relative: str, content: bytes | bytearray) -> None:
        """Write a new file of the subset; errors as `new_file`."""
        atomic.create_file(self.new_file(relative), content)

    def write_json(self, relative: str, value: object) -> None:
        """Write a new JSON file of the subset; errors as `new_file`."""
        self.write(relative, f"{json.dumps(value, indent=2)}\n".encode())

    def open(self, relative: str) -> BinaryIO:
        """Open a new file of the subset for writing, which the caller closes."""
        return self.new_file(relative).open("xb")

    def new_file(self, relative: str) -> Path:
        """Return where a new file of the subset goes, and make the folders above it.

        Raises
        ------
        StoreError
            If the path leads out of the subset, or another image has put a file there.
        """
        target = Path(self._make_room(relative))
        if os.path.lexists(target):
            raise taken(relative)
        self.written.append(target)
        return target

    def way_to(self, original: str) -> str:
        """Return the relative path that leads from the subset to a file outside of it."""
        if remote.is_url(original):
            return original
        folder, name = _find_original(original)
        return f"{_way(folder, str(self.final))}/{name}"

    def _make_room(self, relative: str) -> str:
        """Make the folders above a path of the subset."""
        target = join_inside(self.folder, relative)
        folder = target.rpartition("/")[0]
        if folder not in self._folders:
            try:
                Path(folder).mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise taken(relative) from None
            self._folders.add(folder)
        return target


def taken(relative: str) -> StoreError:
    """Say that two files of a subset need the same path."""
    return StoreError(
        f"two files of the subset would both be {relative!a}. Rename one of the images, and score "
        "the data set again."
    )


def _original(source: str) -> str:
    """Return the absolute path of the file itself, which links in the data set may lead to."""
    return "/".join(_find_original(source))


def _find_original(source: str) -> tuple[str, str]:
    """Return the real folder and the name of the file itself."""
    folder, _, name = source.rpartition("/")
    path = f"{_real_folder(folder)}/{name}"
    if os.path.islink(path):  # noqa: PTH114
        path = os.path.realpath(path)
    folder, _, name = path.rpartition("/")
    return folder, name


@lru_cache(maxsize=1024)
def _way(folder: str, start: str) -> str:
    """Return the relative path from one folder to another."""
    return os.path.relpath(folder, _real_folder(start))


@lru_cache(maxsize=1024)
def _real_folder(folder: str) -> str:
    """Return the real path of a folder; images of one folder come one after the other."""
    return os.path.realpath(folder)


def _explain(error: OSError, media: str, source: str, target: str, other: str) -> None:
    """Raise a `StoreError` if another medium would work."""
    if error.errno in _NOT_HERE:
        msg = (
            f"--media {media}: {source} cannot be linked into {target.rpartition('/')[0]}: "
            f"{_NOT_HERE[error.errno]}. Use --media {other}."
        )
        raise StoreError(msg) from error
