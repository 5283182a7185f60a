"""Shards: files that hold many images and labels, whose members are addressed like files.

``train/0001.tar/000123.jpg`` is the member ``000123.jpg`` of the shard ``train/0001.tar``: such
paths stand in pairs of image and label, and are read by offset, without unpacking a shard.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from curate import remote
from curate.data.shards import mds_shards, parquet_shards, tar_shards
from curate.data.shards.shard import damaged
from curate.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from curate.data.shards.shard import Shard

KINDS: Final[dict[str, Callable[[Path], Shard]]] = {
    ".tar": tar_shards.TarShard,
    ".parquet": parquet_shards.ParquetShard,
    ".mds": mds_shards.MdsShard,
}
"""What opens a shard, by suffix; raises `DataError` where it is damaged."""

_MAX_OPEN: Final = 64
_NUM_OPENING: Final = 16
_INTO: Final = re.compile("|".join(f"{re.escape(suffix)}/" for suffix in KINDS))


def is_inside(path: str) -> bool:
    """Tell by its text whether a path, or a pattern of paths, leads into a shard.

    Examples
    --------
    >>> is_inside("train/0001.tar/000123.jpg"), is_inside("train/0001.tar")
    (True, False)
    """
    return _INTO.search(path) is not None


def is_shard(name: str) -> bool:
    """Tell by its name whether a file is a shard."""
    return name.endswith(tuple(KINDS))


def find(path: Path) -> tuple[Path, str] | None:
    """Split a path that leads into a shard: its file, and the member; None for other paths."""
    text = path.as_posix()
    for match in _INTO.finditer(text):
        shard = remote.as_path(text[: match.end() - 1])
        if shard.is_file():
            return shard, text[match.end() :]
    return None


def file_of(path: Path) -> Path:
    """Return the file on the disk that a path leads to or into."""
    found = find(path) if is_inside(path.as_posix()) else None
    return path if found is None else found[0]


def names(path: Path) -> list[str]:
    """List the members of a shard.

    Raises
    ------
    DataError
        With code ``unreadable_folder``, if it is damaged.
    """
    return _open(path).names()


def size_of(path: Path) -> int:
    """Return the size of a file or member in bytes, -1 if it is missing.

    That of a member of a Parquet file is the file's.
    """
    try:
        found = find(path) if is_inside(path.as_posix()) else None
        return path.stat().st_size if found is None else _open(found[0]).size(found[1])
    except (OSError, KeyError):
        return -1


def read(shard: Path, name: str) -> bytes:
    """Read a member.

    Raises
    ------
    FileNotFoundError
        If there is none of that name.
    OSError
        If it cannot be read.
    """
    try:
        return _open(shard).read(name)
    except KeyError:
        raise FileNotFoundError(shard, name) from None
    except DataError as error:  # it was sound when it was listed
        raise OSError(0, str(error)) from error


def names_of_all(root: Path, paths: Sequence[str]) -> Iterator[str]:
    """Yield the paths of the members of all shards; those of a store are opened several at once.

    Raises
    ------
    DataError
        As `names`.
    """
    with ThreadPoolExecutor(_NUM_OPENING if remote.is_url(root) else 1) as pool:
        for path, found in zip(paths, pool.map(names, (root / p for p in paths)), strict=True):
            yield from (f"{path}/{name}" for name in found)


def members_of(root: Path, path: str) -> Iterator[str]:
    """Yield the paths of the members of a shard below `root`; a damaged one has none."""
    try:
        for name in names(root / path):
            yield f"{path}/{name}"
    except DataError:
        return


class _Cache:
    """The shards that this process used last; what it forgets is closed when it is not in use."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.shards: dict[Path, tuple[tuple[int, int], Shard]] = {}

    def open(self, path: Path) -> Shard:
        """Return a shard as it is on the disk now."""
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise damaged(path, "it is no ordinary file")
        stamp = (status.st_mtime_ns, status.st_size)
        with self.lock:
            known = self.shards.get(path)
        if known is None or known[0] != stamp:
            known = (stamp, KINDS[path.suffix](path))  # several at once, where they are listed
        with self.lock:
            self.shards.pop(path, None)
            self.shards[path] = known
            while len(self.shards) > _MAX_OPEN:
                del self.shards[next(iter(self.shards))]
        return known[1]

    def start_over(self) -> None:
        """Forget all, in a forked process: what another thread held is held for good there."""
        self.__init__()  # type: ignore[misc]


_cache: Final = _Cache()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_cache.start_over)


def _open(path: Path) -> Shard:
    """Return an open shard."""
    return _cache.open(path)
