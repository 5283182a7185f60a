"""What a shard has to be able to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from curate import remote
from curate.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


class Shard(Protocol):
    """An open file that holds many others; used by several threads at once."""

    def names(self) -> list[str]:
        """List the members, ``/``-separated; each has a suffix."""

    def size(self, name: str) -> int:
        """Return the bytes of a member, or of the whole shard where that is not known.

        Raises
        ------
        KeyError
            If there is none of that name.
        """

    def read(self, name: str) -> bytes:
        """Read a member.

        Raises
        ------
        KeyError
            If there is none of that name.
        OSError
            If it cannot be read.
        """


def open_handle(path: Path) -> Handle | RemoteHandle:
    """Open a file to read from any place in it."""
    return RemoteHandle(path) if isinstance(path, remote.RemotePath) else Handle(path)


class RemoteHandle:
    """A file at a URL, read as by `Handle`."""

    def __init__(self, path: remote.RemotePath) -> None:
        self._path = path

    def read(self, offset: int, size: int) -> bytes:
        """Read some bytes."""
        return self._path.read_range(offset, offset + size)


class Handle:
    """A file that is read at any place by any thread, and closed when nobody has it any more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1
        self._handle = os.open(path, os.O_RDONLY)

    def read(self, offset: int, size: int) -> bytes:
        """Read some bytes.

        Raises
        ------
        OSError
            If the file ends before, or the disk does not let us.
        """
        pieces, missing = list[bytes](), size
        while missing:
            pieces.append(os.pread(self._handle, missing, offset + size - missing))
            missing -= len(pieces[-1])
            if not pieces[-1]:
                msg = f"the file ends {missing} bytes too soon"
                raise OSError(0, msg, str(self._path))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def __del__(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)


def damaged(path: Path, reason: object) -> DataError:
    """Make the error about a shard that cannot be listed."""
    msg = f"{path} cannot be listed: {reason}. Make it again, or leave it out of the folder."
    return DataError(msg, code="unreadable_folder")
