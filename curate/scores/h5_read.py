"""Reading HDF5 files that may be truncated, foreign or hostile."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np

from curate.errors import StoreError
from curate.interrupts import signals_held
from curate.scores.columns import Columns, numpy_dtype
from curate.scores.heaps import GuardedFile
from curate.scores.packing import has_plugins
from curate.scores.schema import (
    ATTR_FORMAT,
    ATTR_PROVENANCE,
    ATTR_ROOT,
    ATTR_VERSION,
    FORMAT,
    FORMAT_VERSION,
    TEXT,
    Column,
)
from curate.scores.strings import read_strings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_MAX_RATIO: Final = 1100
"""Deflate never packs more than 1032 bytes into one; what claims more is made to fill memory."""

_HEADER: Final = (ATTR_FORMAT, ATTR_VERSION, ATTR_PROVENANCE, ATTR_ROOT)

_BUILTIN_FILTERS: Final = h5py.h5z.FILTER_FLETCHER32
"""Deflate, shuffle and checksums have the numbers up to this one."""

_FAILURES: Final = (
    OSError, RuntimeError, ValueError, TypeError, KeyError, OverflowError, MemoryError,
)  # fmt: skip
"""What h5py raises on damaged files, depending on where the damage is."""


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn whatever h5py raises on a damaged file into one `StoreError`."""
    try:
        yield
    except _FAILURES as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        msg = (
            f"{path} cannot be read: {reason}. It is truncated, damaged or not a score file. "
            "Score the data set again, or name another file."
        )
        raise StoreError(msg) from error


def open_h5(path: Path) -> h5py.File:
    """Open a score file for reading and check its format and version.

    Raises
    ------
    StoreError
        If there is none, it is damaged or foreign, or it was written by a newer version.
    """
    if not path.is_file():
        msg = f"{path} does not exist or is no file. Name a score file that 'curate score' wrote."
        raise StoreError(msg)
    with reading(path), signals_held(), GuardedFile(path) as raw, h5py.File(raw, "r") as file:
        # All attributes that are ever read, so that the strings of all of them are looked over.
        header = {name: file.attrs.get(name) for name in _HEADER}
    check_format(header[ATTR_FORMAT], header[ATTR_VERSION], where=path)
    with reading(path):
        return h5py.File(path, "r")


def check_format(found: object, version: object, *, where: Path) -> None:
    """Refuse other formats, and versions that are newer than this program knows."""
    if not isinstance(found, str) or found != FORMAT:
        msg = f"{where} is not a score file (format {found!r}, not '{FORMAT}'). Name another one."
        raise StoreError(msg)
    if not isinstance(version, int | np.integer) or version < 1:
        msg = f"{where} has format version {version!r}, which never was. Score again."
        raise StoreError(msg)
    if version > FORMAT_VERSION:
        msg = (
            f"{where} has format version {version}; this curate reads versions up to "
            f"{FORMAT_VERSION}. Install a newer curate."
        )
        raise StoreError(msg)


def find(group: h5py.Group, path: str, kind: type[h5py.Group | h5py.Dataset]) -> Any:  # noqa: ANN401
    """Walk from `group` to the node at `path` without ever leaving the file.

    Raises
    ------
    StoreError
        If there is no such node, it is of another kind, its values lie in other files, a link
        on the way is soft or external, or it claims far more values than the file can hold.
    """
    node = group
    for part in path.split("/"):
        problem = link_problem(node, part)
        if problem:
            msg = f"{_file_of(group)}: '{path}' {problem}. Score the data set again."
            raise StoreError(msg)
        node = node[part]
    if not isinstance(node, kind):
        msg = f"{_file_of(group)}: '{path}' is no {kind.__name__.lower()}. Score again."
        raise StoreError(msg)
    if isinstance(node, h5py.Dataset):
        problem = storage_problem(node.id)
        if problem:
            msg = f"{_file_of(node)}: '{path}' {problem}"
            raise StoreError(msg)
    return node


def link_problem(node: h5py.Group | h5py.Dataset, part: str) -> str:
    """Say what is wrong with a link, if anything is."""
    name = part.encode()
    if not part or not isinstance(node, h5py.Group) or not node.id.links.exists(name):
        return "is missing"
    if node.id.links.get_info(name).type != h5py.h5l.TYPE_HARD:
        return "is a link, which is not followed"
    return ""


def storage_problem(node: h5py.h5d.DatasetID) -> str:
    """Say what is wrong with how values are stored, if anything is.

    They may not lie in other files, be more than this file can hold, or be packed by a filter
    that is not installed.
    """
    settings = node.get_create_plist()
    if settings.get_layout() == h5py.h5d.VIRTUAL or settings.get_external_count():
        return "points to another file, which is not read. Score again."
    is_empty = node.get_space().get_simple_extent_type() == h5py.h5s.NULL
    claimed = 0 if is_empty else math.prod(node.shape) * node.dtype.itemsize
    if is_empty or claimed > _MAX_RATIO * h5py.h5i.get_file_id(node).get_filesize():
        return f"claims {claimed} bytes, which the file cannot hold."
    for index in range(settings.get_nfilters()):
        number, _, _, name = settings.get_filter(index)
        if not _is_available(number):
            return (
                f"is packed by the HDF5 filter {number} ({name.decode()}), which is not "
                "installed: pip install 'curate-seg[hdf5plugin]'."
            )
    return ""


def _is_available(number: int) -> bool:
    """Tell whether a filter is there; those of the HDF5 library itself are."""
    if number <= _BUILTIN_FILTERS or h5py.h5z.filter_avail(number):
        return True
    return has_plugins() and bool(h5py.h5z.filter_avail(number))


def _file_of(node: h5py.Group | h5py.Dataset) -> str:
    """Return the path of the file that a node is in."""
    return str(node.file.filename)


def find_column(group: h5py.Group, name: str, column: Column) -> h5py.Dataset:
    """Find a column and check its type, without reading its values.

    Raises
    ------
    StoreError
        As `find`, and if the type is another one.
    """
    node = find(group, name, h5py.Dataset)
    if column.dtype == TEXT:
        info = h5py.check_string_dtype(node.dtype)
        is_right = info is not None and info.encoding == "utf-8" and info.length is None
    else:
        is_right = node.dtype == numpy_dtype(column)
    if not is_right:
        msg = (
            f"{_file_of(group)}: column '{name}' is of type {node.dtype}, not {column.dtype}. "
            "Score the data set again."
        )
        raise StoreError(msg)
    return node


def read_column(
    group: h5py.Group, name: str, column: Column, rows: slice = slice(None)
) -> NDArray[Any]:
    """Read some rows of one column and check its type."""
    node = find_column(group, name, column)
    if column.dtype == TEXT:
        return np.array(read_strings(node).to_pylist(), dtype=object)[rows]
    return np.asarray(node[rows])


def read_table(group: h5py.Group, schema: dict[str, Column], rows: slice = slice(None)) -> Columns:
    """Read some rows of all columns."""
    return {name: read_column(group, name, column, rows) for name, column in schema.items()}
