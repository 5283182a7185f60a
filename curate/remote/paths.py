"""Paths of files at URLs, which can stand wherever a `Path` is only read."""

from __future__ import annotations

import io
import os
import re
import stat
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path, PosixPath
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from curate.errors import UsageError
from curate.remote import client, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

_URL: Final = re.compile(rf"({'|'.join(client.EXTRAS)}):/+(?=[^/])")
_BLOCK_BYTES: Final = 2**18
"""Read at a time where a file is read piece by piece."""


class RemotePath(PosixPath):
    """A URL as a path; made by `as_path`, as joining and pickling keep it one."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return the URL."""
        return _URL.sub(r"\1://", super().__str__(), count=1)

    def __fspath__(self) -> str:
        return str(self)

    @property
    def parents(self) -> tuple[RemotePath, ...]:
        """Return the folders that it lies in, the bucket last."""
        found, path = [], self
        while len(path.parts) > 2:
            path = path.parent
            found.append(path)
        return tuple(found)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:  # noqa: ARG002
        """Tell size and kind; as time of change, a number that changes with the content."""
        url = str(self)
        known = tree.look_up(url)
        mode = stat.S_IFDIR if known is tree.FOLDER else stat.S_IFREG
        inode = hash(url) & 0xFFFFFFFFFFFF
        times = {"st_mtime_ns": known.version, "st_ctime_ns": known.version}
        return os.stat_result((mode, inode, 0, 1, 0, 0, known.size, 0, 0, 0), times)

    def lstat(self) -> os.stat_result:
        """Return `stat`: a store has no links."""
        return self.stat()

    def exists(self, *, follow_symlinks: bool = True) -> bool:  # noqa: ARG002
        """Tell whether anything is there."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_file(self, *, follow_symlinks: bool = True) -> bool:  # noqa: ARG002
        """Tell whether an object is there."""
        return self.exists() and stat.S_ISREG(self.stat().st_mode)

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:  # noqa: ARG002
        """Tell whether there are objects below."""
        return self.exists() and stat.S_ISDIR(self.stat().st_mode)

    def is_symlink(self) -> bool:
        """Return False."""
        return False

    def is_absolute(self) -> bool:
        """Return True."""
        return True

    def absolute(self) -> RemotePath:
        """Return the path."""
        return self

    def resolve(self, strict: bool = False) -> RemotePath:  # noqa: ARG002
        """Return the path."""
        return self

    def iterdir(self) -> Iterator[RemotePath]:  # type: ignore[override]
        """Yield what is in the folder."""
        for name in tree.entries(str(self)):
            yield self / name

    def read_bytes(self) -> bytes:
        """Read all of it, of an object that was not listed without asking for its size."""
        if self.is_listed():
            return self.read_range(0, self.stat().st_size)
        url = str(self)
        place = client.place_of(url)
        content: bytes = client.request("read", url, "cat_file", place, timeout=client.TIMEOUT_S)
        return content

    def list_below(self) -> bool:
        """List all that lies below, for all later look-ups; tell whether anything does."""
        return bool(tree.list_below(str(self)).folders)

    def is_listed(self) -> bool:
        """Tell whether `stat` needs no request."""
        return tree.is_listed(str(self))

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Read all of it as text."""
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def open(self, mode: str = "r", buffering: int = -1, **options: Any) -> IO[Any]:  # type: ignore[override]  # noqa: ANN401
        """Open for reading, piece by piece."""
        if "r" not in mode or "+" in mode:
            msg = f"{self} is read, not written. Name a file on a disk."
            raise UsageError(msg)
        file = io.BufferedReader(_Reader(self), max(buffering, _BLOCK_BYTES))
        return file if "b" in mode else io.TextIOWrapper(file, **options)

    def read_range(self, first: int, last: int) -> bytes:
        """Read the bytes from `first` on, before `last`; fewer count as a failed attempt."""
        url, pieces = str(self), []
        place = client.place_of(url)
        for start in range(first, last, client.PIECE_BYTES):
            end = min(start + client.PIECE_BYTES, last)
            pieces.append(client.read_piece(url, place, start, end))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Reader(io.RawIOBase):
    """A remote file, of which pieces are read where they are wanted."""

    def __init__(self, path: RemotePath) -> None:
        self._path, self._at, self._size = path, 0, path.stat().st_size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        data = self._path.read_range(self._at, min(self._at + len(buffer), self._size))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class _Entry(NamedTuple):
    """As `os.DirEntry`."""

    name: str
    path: str
    is_folder: bool

    def is_dir(self) -> bool:
        return self.is_folder

    def is_file(self) -> bool:
        return not self.is_folder

    def is_symlink(self) -> bool:
        return False


def as_path(path: Path | str) -> Path:
    """Return a `RemotePath` for a URL, also where a `Path` was made of it, else a `Path`.

    Examples
    --------
    >>> as_path("s3://bucket/gta5") / "images" / "1.png"
    RemotePath('s3://bucket/gta5/images/1.png')
    >>> str(as_path(Path("s3://bucket/gta5")))
    's3://bucket/gta5'

    Raises
    ------
    UsageError
        If it holds a password or is signed.
    """
    if isinstance(path, RemotePath):
        return path
    match = _URL.match(os.fspath(path))
    if match is None:
        return Path(path)
    if match[1] in ("http", "https"):
        parts = urlsplit(f"{match[1]}://{os.fspath(path)[match.end() :]}")
        if parts.username or parts.query:
            msg = (
                f"{match[1]}://{parts.hostname}{parts.path} was given with a password or a "
                "signature in its URL, which would stand in files. Name it without."
            )
            raise UsageError(msg)
    return RemotePath(path)


def is_url(path: Path | str) -> bool:
    """Tell whether a path is a URL."""
    return isinstance(as_path(path), RemotePath)


def real_path(path: Path | str) -> Path:
    """Return a `RemotePath` for a URL, else the absolute path without links."""
    path = as_path(path)
    return path if isinstance(path, RemotePath) else Path(os.path.realpath(path))


def scandir(folder: Path) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
    """List a folder as `os.scandir` does."""
    if not isinstance(folder, RemotePath):
        return os.scandir(folder)
    url = str(folder)
    inside = tree.entries(url)
    found: Any = [_Entry(n, f"{url}/{n}", known is tree.FOLDER) for n, known in inside.items()]
    return nullcontext(iter(found))
