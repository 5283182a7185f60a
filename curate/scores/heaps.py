"""Opening an HDF5 file without trusting the part of it that has no checksum of its own.

Strings of variable length lie in "global heap collections". The HDF5 library never comes back from
reading one whose sizes are damaged. Those of the attributes are looked over at the moment the
library asks for them; for those of the tables see `curate.scores.strings`.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

from curate.errors import StoreError
from curate.scores.rawfile import PositionedFile

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import WriteableBuffer

_SIGNATURE: Final = b"GCOL\x01\0\0\0"
"""Begins a collection: four letters, version 1, three zeros; its size follows."""

_HEADER_BYTES: Final = 16
_OBJECT: Final = struct.Struct("<HHIQ")
"""Index (0 = free space), references, zeros, size; then the content, padded to 8 bytes."""

_MAX_BYTES: Final = 1 << 24
"""Far more than the collection of any attribute takes up."""


class GuardedFile(PositionedFile):
    """A file to give to the HDF5 library, which refuses to hand out a damaged collection.

    Raises
    ------
    StoreError
        On reading a collection whose sizes contradict each other.
    OSError
        If the file cannot be opened or read.
    """

    def __init__(self, path: Path) -> None:
        handle = os.open(path, os.O_RDONLY)
        super().__init__(handle, os.fstat(handle).st_size)
        self._path = path

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read from the position on."""
        view = memoryview(buffer).cast("B")
        content = os.pread(self._handle, len(view), self._position)
        start = content.find(_SIGNATURE)
        while start >= 0:
            self._check(self._position + start)
            start = content.find(_SIGNATURE, start + 1)
        view[: len(content)] = content
        self._position += len(content)
        return len(content)

    def _check(self, start: int) -> None:
        """Refuse the collection at `start` if it is damaged."""
        content = os.pread(self._handle, _MAX_BYTES, start)
        if not _is_sound(content):
            msg = (
                f"{self._path} cannot be read: its strings at byte {start} are damaged. It is "
                "truncated, damaged or not a score file. Score the data set again, or name "
                "another file."
            )
            raise StoreError(msg)


def _is_sound(content: bytes) -> bool:
    """Walk over the objects of one collection; what lies beyond the file's end is its own error."""
    if len(content) < _HEADER_BYTES:
        return True
    total: int = struct.unpack_from("<Q", content, 8)[0]
    position = _HEADER_BYTES
    while total - position >= _OBJECT.size:
        if position + _OBJECT.size > len(content):
            return len(content) < _MAX_BYTES
        index, _, _, size = _OBJECT.unpack_from(content, position)
        step = size if index == 0 else _OBJECT.size + -(-size // 8) * 8
        if step < _OBJECT.size or position + step > total:
            return False
        position += step
    return total >= _HEADER_BYTES
