"""Columns of strings in an HDF5 file, read without the HDF5 library.

Strings of variable length lie in "global heap collections", which have no checksum: the library
never comes back from one whose sizes are damaged. So the references to the strings are read from
the column's chunks, and the strings themselves from the collections that they name, checked.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Final, NoReturn

import h5py
import numpy as np
import pyarrow as pa

from curate.errors import StoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REFERENCE: Final = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])
"""What a column holds for each string: its bytes, its collection, its number in there."""

_SIGNATURE: Final = b"GCOL\x01\0\0\0"
"""Begins a collection: four letters, version 1, three zeros; its size follows."""

_COLLECTION: Final = struct.Struct("<8sQ")
_OBJECT: Final = struct.Struct("<H6xQ")
"""Number in the collection, and size; then the content, padded to 8 bytes."""

_HEADER_BYTES: Final = 16
"""Of a collection, and of each object in it."""

_BLOCK_ROWS: Final = 65_536


def read_strings(node: h5py.Dataset) -> pa.LargeStringArray:
    """Read a one-dimensional column of variable-length UTF-8 strings.

    Raises
    ------
    StoreError
        If its strings are damaged, or stored in a way that curate never writes.
    ValueError
        If they are not UTF-8.
    """
    source = _Source(str(node.file.filename))
    return _look_up(_references(node, source), source).cast(pa.large_string())


class _Source:
    """The bytes of a file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.content = np.asarray(np.memmap(path, np.uint8, mode="r"))
        self.raw = self.content.data
        # Views as whole numbers from byte 0, 1, .. 7 on: places in a file are not aligned.
        lengths = [(len(self.content) - shift) // 8 * 8 for shift in range(8)]
        self._views = [
            self.content[shift : shift + max(length, 0)].view("<i8")
            for shift, length in enumerate(lengths)
        ]

    def words(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Read 8 bytes at each position, all inside the file."""
        shifts = positions & 7
        first = shifts[0]
        if (shifts == first).all():
            return np.asarray(self._views[first][positions >> 3])
        words = np.empty(len(positions), np.int64)
        for shift in range(8):
            is_here = shifts == shift
            words[is_here] = self._views[shift][positions[is_here] >> 3]
        return words

    def refuse(self, address: int) -> NoReturn:
        """Raise the error."""
        msg = (
            f"{self.path} cannot be read: its strings at byte {address} are damaged. It is "
            "truncated, damaged or not a score file. Score the data set again, or name another "
            "file."
        )
        raise StoreError(msg)


def _references(node: h5py.Dataset, source: _Source) -> NDArray[Any]:
    """Read the references of the strings."""
    if not len(node):
        return np.empty(0, _REFERENCE)
    settings = node.id.get_create_plist()
    filters = [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]
    is_known = set(filters) <= {h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE}
    sizes = node.file.id.get_create_plist().get_sizes()
    if (
        node.ndim != 1
        or node.chunks is None
        or not is_known
        or sizes != (8, 8)
        or node.file.userblock_size
    ):
        msg = (
            f"{source.path}: column '{node.name}' is not stored as curate does, in chunks, plain "
            "or deflated. Score the data set again."
        )
        raise StoreError(msg)
    rows = min(node.chunks[0], len(node))
    blocks = []
    for start in range(0, len(node), node.chunks[0]):
        place = node.id.get_chunk_info_by_coord((start,)).byte_offset
        if place is None:  # never written
            blocks.append(np.zeros(rows, _REFERENCE))
            continue
        mask, raw = node.id.read_direct_chunk((start,))
        unpacked = _unpack(raw, filters, mask, node.chunks[0] * _REFERENCE.itemsize)
        if len(unpacked) != node.chunks[0] * _REFERENCE.itemsize:
            source.refuse(place)
        blocks.append(np.frombuffer(unpacked, _REFERENCE))
    return np.concatenate(blocks)[: len(node)]


def _unpack(raw: bytes, filters: list[int], mask: int, size: int) -> bytes:
    """Undo the filters of a chunk of `size` bytes; bit i of `mask` says that filter i was left."""
    for number in reversed(range(len(filters))):
        if mask >> number & 1:
            continue
        if filters[number] == h5py.h5z.FILTER_DEFLATE:
            try:
                raw = zlib.decompressobj().decompress(raw, size + 1)
            except zlib.error as error:
                raise ValueError(str(error)) from error
        elif len(raw) == size:
            shuffled = np.frombuffer(raw, np.uint8).reshape(_REFERENCE.itemsize, -1)
            raw = shuffled.T.tobytes()
    return raw


def _look_up(references: NDArray[Any], source: _Source) -> pa.LargeBinaryArray:
    """Collect the strings."""
    lengths = references["length"].astype(np.int64)
    starts = np.zeros(len(lengths), np.int64)
    is_there = lengths > 0
    if lengths.sum() > len(source.content):  # each is stored by itself, so that they fit
        source.refuse(int(references["address"][is_there][0]))
    if is_there.any():
        starts[is_there] = _find(references[is_there], source)
    offsets = np.concatenate([[0], lengths.cumsum()])
    data = np.empty(offsets[-1], np.uint8)
    for first in range(0, len(lengths), _BLOCK_ROWS):
        rows = slice(first, first + _BLOCK_ROWS)
        low, high = offsets[first], offsets[min(first + _BLOCK_ROWS, len(lengths))]
        spots = np.repeat(starts[rows] - offsets[:-1][rows], lengths[rows])
        spots += np.arange(low, high)
        np.take(source.content, spots, out=data[low:high])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(lengths), buffers)


def _find(references: NDArray[Any], source: _Source) -> NDArray[np.int64]:
    """Find where strings that are not empty begin in the file."""
    starts = _guess(references)
    is_missing = ~_is_there(starts, references, source)
    if is_missing.any():
        starts[is_missing] = _search(references[is_missing], source)
    return starts


def _guess(references: NDArray[Any]) -> NDArray[np.int64]:
    """Tell where strings begin if each collection holds those that are named, one by one."""
    addresses = references["address"].astype(np.int64)
    steps = _HEADER_BYTES + (references["length"].astype(np.int64) + 7 & ~7)
    before = steps.cumsum() - steps
    is_first = np.concatenate([[True], addresses[1:] != addresses[:-1]])
    before_run = before[is_first][is_first.cumsum() - 1]
    return np.asarray(addresses + 2 * _HEADER_BYTES + before - before_run)


def _is_there(
    starts: NDArray[np.int64], references: NDArray[Any], source: _Source
) -> NDArray[np.bool_]:
    """Tell which strings begin where they are thought to."""
    headers = starts - _HEADER_BYTES
    is_inside = (headers >= 0) & (starts <= len(source.content) - references["length"])
    headers[~is_inside] = 0
    is_named = (source.words(headers) & 0xFFFF) == references["index"]
    is_as_long = source.words(headers + 8) == references["length"]
    return np.asarray(is_inside & is_named & is_as_long)


def _search(references: NDArray[Any], source: _Source) -> NDArray[np.int64]:
    """Find strings by stepping through their collections."""
    starts = np.empty(len(references), np.int64)
    objects: dict[int, tuple[int, int]] = {}
    budget, last = len(source.content) // _HEADER_BYTES, -1
    for row in np.argsort(references["address"], kind="stable").tolist():
        length, address, index = references[row].item()
        if address != last:
            objects, last = _walk(address, source), address
            budget -= len(objects)  # collections do not overlap
        start, size = objects.get(index, (0, -1))
        if size < length or budget < 0:
            source.refuse(address)
        starts[row] = start
    return starts


def _walk(address: int, source: _Source) -> dict[int, tuple[int, int]]:
    """List start and size of each object of a collection, by its number."""
    if address + _HEADER_BYTES > len(source.content):
        source.refuse(address)
    signature, total = _COLLECTION.unpack_from(source.raw, address)
    position, end = address + _HEADER_BYTES, address + total
    if signature != _SIGNATURE or total < _HEADER_BYTES or end > len(source.content):
        source.refuse(address)
    objects = {}
    while end - position >= _HEADER_BYTES:
        index, size = _OBJECT.unpack_from(source.raw, position)
        # A number of 0 is free space, whose size counts its header.
        step = size if index == 0 else _HEADER_BYTES + -(-size // 8) * 8
        if step < _HEADER_BYTES or position + step > end:
            source.refuse(address)
        if index:
            objects[index] = (position + _HEADER_BYTES, size)
        position += step
    return objects
