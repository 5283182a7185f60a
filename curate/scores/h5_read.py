"""Reading one HDF5 file that may be truncated, foreign or hostile."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import h5py
import numpy as np
import pyarrow as pa
from h5py import h5d, h5g

from curate.errors import StoreError
from curate.scores import arrow, checks, packing, provenance, schema
from curate.scores.h5 import nodes
from curate.scores.schema import IMAGES, REGIONS, TEXT, Attr, Column, Schema, map_dtype, map_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

Values = Any
"""A column: an array of numbers, (N,) or (N, C), or an Arrow array of strings."""

_BLOCK_BYTES: Final = 1 << 26
BLOCK_ROWS: Final = 1 << 18
"""Rows of a table that are read at once where not all are; whole chunks of the file."""

_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, 524)
"""What disks without locks answer to flock; 524 is Linux's own ENOTSUPP."""

_FAILURES: Final = (
    OSError, RuntimeError, ValueError, TypeError, KeyError, OverflowError, MemoryError,
)  # fmt: skip
"""What h5py and pyarrow raise on damaged files, depending on where the damage is."""


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn whatever a library raises on a damaged file into one `StoreError`."""
    try:
        yield
    except _FAILURES as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        msg = (
            f"{path} cannot be read: {reason}. It is truncated, damaged or not a score file. "
            "Score the data set again, or name another file."
        )
        raise StoreError(msg) from error


def check_format(found: object, version: object, *, where: Path) -> None:
    """Refuse other formats and versions.

    Raises
    ------
    StoreError
    """
    is_known = isinstance(version, int) and version >= 1
    # the texts of version 1 are not looked at
    if is_known and version == 1 and found in {schema.FORMAT, None}:
        problem = "has format version 1, of before the first release. Score the data set again"
    elif found != schema.FORMAT:
        problem = f"is not a score file (format {found!r}, not '{schema.FORMAT}'). Name another one"
    elif not is_known:
        problem = f"has format version {version!r}, which never was. Score again"
    elif version != schema.FORMAT_VERSION:
        problem = (
            f"has format version {version}; this curate reads version {schema.FORMAT_VERSION}. "
            "Install a newer curate"
        )
    else:
        return
    msg = f"{where} {problem}."
    raise StoreError(msg)


def open_h5(path: Path) -> h5py.File:
    """Open a file for reading, on disks without locks as well.

    Raises
    ------
    StoreError
        If another program has it open for writing.
    OSError
        If it is damaged or no HDF5 file.
    """
    try:
        return h5py.File(path, "r")
    except BlockingIOError as error:
        msg = f"{path} is open for writing in another program: close it there, then try again."
        raise StoreError(msg) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return h5py.File(path, "r", locking=False)


def read_format(path: Path) -> nodes.Attribute:
    """Return what format an HDF5 file says it is of; None if it does not say."""
    with reading(path), open_h5(path) as file:
        return nodes.read_attribute(file.id, Attr.FORMAT)


class H5Part:
    """One HDF5 file with scores, opened when it is first needed, by each process for itself.

    Links inside the file are never followed, nor are values read that lie in other files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.schema = Schema()
        self.stride = 0
        self._file: h5py.File | None = None
        self._pid = self._size = 0
        self._nodes: dict[str, Any] = {}
        self._columns: dict[tuple[str, str], nodes.Dataset] = {}
        self._maps: dict[tuple[str, str], Maps | None] = {}

    def header(self) -> provenance.Header:
        """Read what the file says of itself, after a look at its format.

        Raises
        ------
        StoreError
            If there is none, it is damaged or foreign, or of another version.
        """
        with reading(self.path):
            root = self._open().id
            about = (Attr.FORMAT, Attr.VERSION)
            found, version = (nodes.read_attribute(root, name) for name in about)
            check_format(found, version, where=self.path)
            names = (Attr.PROVENANCE, Attr.ROOT, Attr.MEANS)
            texts = {name: nodes.read_attribute(root, name) for name in names}
        plain = {name: text for name, text in texts.items() if isinstance(text, str)}
        return provenance.read_header(plain, where=str(self.path))

    def has_regions(self) -> bool:
        """Tell whether there is a table of regions."""
        with reading(self.path):
            return REGIONS in self._open()

    def count(self, table: str) -> int:
        """Count the rows of a table, after a look at all columns; there may be no regions."""
        columns = self.schema.columns(table)
        with reading(self.path):
            if table == REGIONS and REGIONS not in self._open():
                return 0
            found = {name: self._column(table, name) for name in columns}
            shapes = {name: node.shape for name, node in found.items()}
        checks.check_claim(sum(node.size for node in found.values()), self._size, where=self.path)
        return checks.count_rows(shapes, columns, where=str(self.path))

    def read(self, table: str, name: str, rows: slice = slice(None)) -> Values:
        """Read some rows of a column; strings come in Arrow."""
        column = self.schema.columns(table)[name]
        with reading(self.path):
            if table == REGIONS and REGIONS not in self._open():
                return to_values([], column)
            node = self._column(table, name)
            if column.dtype == TEXT:
                return _read_texts(node, rows)
            return nodes.read_rows(node, rows)

    def blocks(self, table: str, names: Sequence[str]) -> Iterator[dict[str, Values]]:
        """Yield some columns block after block, never an empty one."""
        for first in range(0, self.count(table), BLOCK_ROWS):
            rows = slice(first, first + BLOCK_ROWS)
            yield {name: self.read(table, name, rows) for name in names}

    def maps(self, group: str, shape: tuple[int, int]) -> Maps | None:
        """Find all maps of one kind and shape; None if the file has none.

        Raises
        ------
        StoreError
            If they are links, elsewhere, too large to be true, of another type, or not packed as
            curate packs them.
        """
        self._open()  # of this process
        key = (group, map_size(shape))
        if key not in self._maps:
            with reading(self.path):
                self._maps[key] = self._find_maps(group, shape)
        return self._maps[key]

    def close(self) -> None:
        """Close the file; it opens again when needed."""
        if self._file is not None:
            for kept in (self._maps, self._nodes, self._columns):
                kept.clear()
            self._file.close()
            self._file = None

    def _open(self) -> h5py.File:
        """Return the open file, this process's own."""
        if self._pid != os.getpid():
            self.close()
        if self._file is None:
            if not self.path.is_file():
                msg = (
                    f"{self.path} does not exist or is no file. Name a score file that 'curate "
                    "score' wrote."
                )
                raise StoreError(msg)
            self._pid = os.getpid()
            self._file = open_h5(self.path)
            self._size = self._file.id.get_filesize()
        return self._file

    def _column(self, table: str, name: str) -> nodes.Dataset:
        """Find a column and check its type, without reading its values."""
        self._open()  # of this process
        if (table, name) not in self._columns:
            self._columns[table, name] = self._check_column(table, name)
        return self._columns[table, name]

    def _check_column(self, table: str, name: str) -> nodes.Dataset:
        """Find a column, and check its type and how it is stored."""
        column = self.schema.columns(table)[name]
        node = nodes.describe(self._find(f"{table}/{name}", h5d.DatasetID))
        text = h5py.check_string_dtype(node.dtype)
        if column.dtype == TEXT:
            expected, is_right = "fixed-length UTF-8", text is not None and bool(text.length)
        else:
            expected, is_right = column.dtype, node.dtype == np.dtype(column.dtype)
        if not is_right:
            msg = (
                f"{self.path}: column '{name}' is of type {text or node.dtype}, not {expected}. "
                "Score the data set again."
            )
            raise StoreError(msg)
        path = f"{table}/{name}"
        nodes.check_storage(node, node.shape, path, self.path, file_bytes=self._size)
        return node

    def _find_maps(self, group: str, shape: tuple[int, int]) -> Maps | None:
        """Open all maps of one kind and shape, and check how they are stored."""
        path = f"{group}/{map_size(shape)}"
        if group not in self._open() or map_size(shape).encode() not in self._find(
            group, h5g.GroupID
        ):
            return None
        node = nodes.describe(self._find(path, h5d.DatasetID))
        dtype, problem = map_dtype(group, shape), ""
        about = (Attr.STRIDE, Attr.SCALE)
        stride, scale = (nodes.read_attribute(node.node, name) for name in about)
        if node.shape[1:] != shape or node.dtype != np.dtype(dtype):
            problem = f"is {node.dtype} of shape {node.shape}, not {dtype} of shape (n, h, w)"
        elif node.shape[0] > self._column(IMAGES, "id").shape[0]:
            problem = f"holds {node.shape[0]} maps, more than there are images"
        elif stride != self.stride:
            problem = f"has stride {stride}, but the provenance says {self.stride}"
        if problem:
            nodes.refuse(self.path, path, problem)
        compression = nodes.find_compression(node, shape)
        stored = node.shape if compression is None else shape
        nodes.check_storage(node, stored, path, self.path, file_bytes=self._size)
        return Maps(self.path, node.node, node.shape, dtype, compression, self.stride, scale)

    def _find(self, path: str, kind: type[h5g.GroupID | h5d.DatasetID]) -> Any:  # noqa: ANN401
        """Find a node, and keep it at hand while the file is open."""
        file = self._open()
        if path not in self._nodes:
            parent, _, name = path.rpartition("/")
            above = self._find(parent, h5g.GroupID) if parent else file.id
            self._nodes[path] = nodes.step(above, name, path, self.path)
        if not isinstance(self._nodes[path], kind):
            what = "group" if kind is h5g.GroupID else "dataset"
            nodes.refuse(self.path, path, f"is no {what}")
        return self._nodes[path]


class Maps(NamedTuple):
    """All maps of one kind and shape in a file.

    Attributes
    ----------
    path : Path
    node : h5py.h5d.DatasetID
    shape : tuple of int
        (n, h, w)
    dtype : str
    compression : str or None
        Key of `COMPRESSIONS`, if each map is one chunk, packed so; the library reads all others.
    stride : int
        Pixels of the original image a cell.
    scale : float or None
        What a stored value is worth, see `Attr.SCALE`.
    """

    path: Path
    node: h5d.DatasetID
    shape: tuple[int, ...]
    dtype: str
    compression: str | None
    stride: int
    scale: nodes.Attribute

    def packed(self, row: int) -> packing.PackedMap:
        """Read one map as it is stored.

        Raises
        ------
        StoreError
            If there is no such row, or it is damaged.
        """
        count, height, width = self.shape
        if not 0 <= row < count:
            msg = (
                f"{self.path}: row {row} of the maps of {height}x{width} is asked for, but there "
                f"are {count}. The file is damaged: score the data set again."
            )
            raise StoreError(msg)
        with reading(self.path):
            if self.compression is None:
                return packing.pack(h5py.Dataset(self.node)[row])
            mask, data = self.node.read_direct_chunk((row, 0, 0))
            if mask:
                msg = f"map {row} of {height}x{width} is not packed"
                raise ValueError(msg)
        return packing.PackedMap((height, width), self.dtype, self.compression, data)

    def cells(self, row: int) -> NDArray[Any]:
        """Read one map, (h, w)."""
        packed = self.packed(row)
        with reading(self.path):
            return packing.unpack(packed)


def to_values(blocks: list[Values], column: Column) -> Values:
    """Put the values of a column below each other; without any, an empty column."""
    if column.dtype == TEXT:
        return pa.concat_arrays([arrow.texts_to_arrow([]), *blocks])
    return np.concatenate(blocks) if blocks else np.empty(0, column.dtype)


def _read_texts(node: nodes.Dataset, rows: slice) -> pa.LargeStringArray:
    """Read strings of fixed length, without the zeros at their ends."""
    width = node.dtype.itemsize
    first, last, _ = rows.indices(node.shape[0])
    step, blocks = max(1, _BLOCK_BYTES // width), []
    for start in range(first, last, step):
        values = nodes.read_rows(node, slice(start, min(start + step, last))).astype(f"S{width}")
        lengths = np.char.str_len(values)
        is_used = np.arange(width) < lengths[:, None]
        content = values.view(np.uint8).reshape(-1, width)[is_used]
        ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        block = pa.LargeStringArray.from_buffers(
            len(values), pa.py_buffer(ends), pa.py_buffer(content)
        )
        block.validate(full=True)  # UTF-8
        blocks.append(block)
    return to_values(blocks, Column(TEXT))
