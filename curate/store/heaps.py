"""A check of the part of an HDF5 file that has no checksum of its own.

Strings of variable length lie in "global heap collections". The HDF5 library never comes back from
reading one whose sizes are damaged, so they are looked over before it sees the file.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from curate.errors import StoreError
from curate.store.diskerrors import disk_errors

if TYPE_CHECKING:
    from pathlib import Path

_SIGNATURE: Final = b"GCOL\x01\0\0\0"
"""Begins a collection: four letters, version 1, three zeros; its size follows."""

_HEADER_BYTES: Final = 16
_OBJECT: Final = struct.Struct("<HHIQ")
"""Index (0 = free space), references, zeros, size; then the content, padded to 8 bytes."""

_LOOKED_AT_BYTES: Final = 1 << 24
"""Attributes and tables come first in a score file: the strings of 100,000 images fit in here."""


def check_heaps(path: Path) -> None:
    """Look over the collections of strings at the beginning of an HDF5 file.

    Raises
    ------
    StoreError
        If the sizes in one of them contradict each other, or the file cannot be read.
    """
    with disk_errors("read", path), path.open("rb") as file:
        content = file.read(_LOOKED_AT_BYTES)
    start = content.find(_SIGNATURE)
    while start >= 0:
        if not _is_sound(content, start):
            msg = (
                f"{path} cannot be read: its strings at byte {start} are damaged. It is truncated, "
                "damaged or not a score file. Score the data set again, or name another file."
            )
            raise StoreError(msg)
        start = content.find(_SIGNATURE, start + 1)


def _is_sound(content: bytes, start: int) -> bool:
    """Walk over the objects of one collection; what lies beyond `content` is taken as sound."""
    if start + _HEADER_BYTES > len(content):
        return True
    total: int = struct.unpack_from("<Q", content, start + 8)[0]
    position, end = start + _HEADER_BYTES, start + total
    while end - position >= _OBJECT.size:
        if position + _OBJECT.size > len(content):
            return True
        index, _, _, size = _OBJECT.unpack_from(content, position)
        step = size if index == 0 else _OBJECT.size + -(-size // 8) * 8
        if step < _OBJECT.size or position + step > end:
            return False
        position += step
    return total >= _HEADER_BYTES
