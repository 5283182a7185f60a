"""Writing the tables and maps of a score file into an HDF5 file, through a disk that may be full.

The HDF5 library cannot close a file whose writes fail: it tries forever or crashes the process.
So it writes into a `Sink`, which goes on pretending after the first failure; the failure is raised
when the file has been closed.
"""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t, h5z

from curate.interrupts import signals_held
from curate.scores import columns, packing, provenance
from curate.scores.schema import FORMAT, FORMAT_VERSION, TEXT, Attr, Column, map_dtype, map_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from _typeshed import ReadableBuffer, WriteableBuffer
    from numpy.typing import NDArray


_DEFLATE: Final = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
_CHUNK_ROWS: Final = 65_536
_CHUNK_BYTES: Final = 1 << 20
_H5_TYPES: Final = {"uint8": h5t.STD_U8LE, "uint16": h5t.STD_U16LE, "uint32": h5t.STD_U32LE}


@contextmanager
def creating_h5(path: Path) -> Iterator[tuple[h5py.File, Sink]]:
    """Yield a new HDF5 file to fill, and the sink below it, to be asked for errors now and then.

    Raises
    ------
    OSError
        At the end of the block: the first failure of the disk, if there was one.
    """
    with signals_held() as check:
        sink = Sink(path, check)
        try:
            # HDF5 1.10 and later can read it; its index of a map in one chunk takes no space.
            with h5py.File(sink, "w", libver=("v110", "v110")) as file:
                yield file, sink
            sink.raise_error()
        finally:
            sink.close()


def write_header(file: h5py.File, header: provenance.Header) -> None:
    """Write the attributes of a score file."""
    for name, text in ({Attr.FORMAT: FORMAT} | header.to_texts()).items():
        content = text.encode()
        kind = h5py.string_dtype("utf-8", max(1, len(content)))
        file.attrs.create(name, np.array(content, kind), dtype=kind)
    file.attrs[Attr.VERSION] = FORMAT_VERSION


class TableNode:
    """A table of `count` rows in a new file, which are written block after block.

    Parameters
    ----------
    widths : dict of str to int
        Bytes of the longest value of each column of strings.
    """

    def __init__(
        self,
        file: h5py.File,
        table: str,
        schema: Mapping[str, Column],
        *,
        count: int,
        num_classes: int,
        widths: Mapping[str, int],
    ) -> None:
        group, self._nodes, self._start = file.create_group(table), {}, 0
        for name, column in schema.items():
            shape = (count, num_classes) if column.per_class else (count,)
            kind = np.dtype(column.dtype) if column.dtype != TEXT else None
            kind = kind or h5py.string_dtype("utf-8", max(1, widths[name]))
            self._nodes[name] = _create(group, name, kind, shape)

    def write(self, block: columns.Columns) -> None:
        """Add some rows; strings may be of fixed length already."""
        end = self._start + len(next(iter(block.values())))
        for name, node in self._nodes.items():
            values = block[name]
            if values.dtype.kind in "OS":
                values = encode_texts(values).astype(node.dtype)
            node[self._start : end] = values
        self._start = end


def encode_texts(texts: NDArray[Any]) -> NDArray[np.bytes_]:
    """Turn Python strings into strings of fixed length, UTF-8; those that are so already stay."""
    return (
        np.array([text.encode() for text in texts], np.bytes_) if texts.dtype == object else texts
    )


class MapWriter:
    """A group of maps in a new file, one data set a size.

    Maps arrive packed and are stored as they are.

    Parameters
    ----------
    file : h5py.File
    group : str
        ``pixel_scores``, ``region_ids`` or ``stream_scores/<stream>``.
    counts : dict of str to int
        How many maps there are of each size.
    attributes : dict
        Of every data set.
    """

    def __init__(
        self,
        file: h5py.File,
        group: str,
        counts: Mapping[str, int],
        *,
        stride: int,
        scale: float | None,
    ) -> None:
        self._file, self._group, self._counts = file, group, counts
        self._attributes: dict[str, Any] = {Attr.STRIDE: np.int64(stride)}
        if scale is not None:
            self._attributes[Attr.SCALE] = np.float64(scale)
        self._nodes: dict[tuple[int, int], tuple[h5d.DatasetID, str]] = {}

    def write(self, row: int, packed: packing.PackedMap) -> None:
        """Store a map among those of its size; the first one of them tells how they are packed."""
        if packed.shape not in self._nodes:
            self._nodes[packed.shape] = self._create(packed), packed.compression
        node, compression = self._nodes[packed.shape]
        if packed.compression != compression:
            packed = packing.pack(packing.unpack(packed), compression)
        node.write_direct_chunk((row, 0, 0), packed.data)

    def _create(self, packed: packing.PackedMap) -> h5d.DatasetID:
        """Create the data set of all maps of a size."""
        dtype, how = map_dtype(self._group, packed.shape), packing.COMPRESSIONS[packed.compression]
        layout = h5p.create(h5p.DATASET_CREATE)
        layout.set_chunk((1, *packed.shape))
        layout.set_obj_track_times(False)
        if dtype != "uint8":
            layout.set_shuffle()
        layout.set_filter(how.filter_id, h5z.FLAG_MANDATORY, how.filter_options)
        name = map_size(packed.shape)
        space = h5s.create_simple((self._counts[name], *packed.shape))
        parent = self._file.require_group(self._group)
        node = h5d.create(parent.id, name.encode(), _H5_TYPES[dtype], space, layout)
        for attribute, value in self._attributes.items():
            parent[name].attrs[attribute] = value
        return node


class Sink(io.RawIOBase):
    """A new file for reading and writing whose failures are kept for later.

    Parameters
    ----------
    path : Path
    check : callable, optional
        Asked by `raise_error`, too; raises what is to end the writing.

    Attributes
    ----------
    error : OSError or None
        The first failure; what is written after it goes to memory only.
    """

    def __init__(self, path: Path, check: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self._position = self._size = 0
        self.check = check
        self.error: OSError | None = None
        self._lost: list[tuple[int, bytes]] = []

    def raise_error(self) -> None:
        """Raise the first failure, if there was one; to be called between two uses of HDF5."""
        self.check()
        if self.error is not None:
            raise self.error

    def write(self, data: ReadableBuffer) -> int:
        """Write all of `data`; never fails."""
        content = memoryview(data)
        if self.error is None:
            try:
                self._write_all(content)
            except OSError as error:
                self.error = error
        if self.error is not None:
            self._lost.append((self._position, bytes(content)))
        self._position += content.nbytes
        self._size = max(self._size, self._position)
        return content.nbytes

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read back what was written; zeros where nothing was."""
        view = memoryview(buffer).cast("B")
        start, length = self._position, min(len(view), max(self._size - self._position, 0))
        content = bytearray(os.pread(self._handle, length, start).ljust(length, b"\0"))
        for offset, lost in self._lost:
            low, high = max(offset, start), min(offset + len(lost), start + length)
            if low < high:
                content[low - start : high - start] = lost[low - offset : high - offset]
        view[:length] = content
        self._position += length
        return length

    def truncate(self, size: int | None = None) -> int:
        """Set the size."""
        self._size = self._position if size is None else size
        if self.error is None:
            try:
                os.ftruncate(self._handle, self._size)
            except OSError as error:
                self.error = error
        return self._size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}
        self._position = base[whence] + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            super().close()
            os.close(self._handle)

    def readable(self) -> bool:
        """Return True."""
        return True

    seekable = writable = readable

    def _write_all(self, view: memoryview) -> None:
        """Write at the position, however many calls it takes."""
        position = self._position
        while view:
            count = os.pwrite(self._handle, view, position)
            view, position = view[count:], position + count


def _create(
    group: h5py.Group, name: str, kind: np.dtype[Any], shape: tuple[int, ...]
) -> h5py.Dataset:
    """Create a column; columns without values cannot be compressed."""
    if 0 in shape:
        return group.create_dataset(name, shape, kind)
    row_bytes = kind.itemsize * (shape[1] if len(shape) > 1 else 1)
    rows = max(1, min(shape[0], _CHUNK_ROWS, _CHUNK_BYTES // row_bytes))
    return group.create_dataset(name, shape, kind, chunks=(rows, *shape[1:]), **_DEFLATE)
