"""Reading one map of a score file, as fast as HDF5 goes: a trainer does so for every image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np

from curate.errors import StoreError
from curate.scores.chunks import Chunk, locate
from curate.scores.h5_read import link_problem, storage_problem
from curate.scores.schema import ATTR_STRIDE, map_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray


class StoredMap(NamedTuple):
    """A map as it is in the file, pixels of the original image a cell, and where it lies."""

    cells: NDArray[Any]
    stride: int
    chunk: Chunk | None


def read_map(
    folder: h5py.Group, name: str, dtypes: tuple[str, ...], size: tuple[int, int]
) -> StoredMap:
    """Read a map and check that it fits its image.

    Parameters
    ----------
    folder : h5py.Group
        Where the map is.
    name : str
        What it is called there.
    dtypes : tuple of str
        Types that it may have.
    size : (int, int)
        Height and width of the image in pixels.

    Raises
    ------
    StoreError
        If it is missing, a link, elsewhere, too large to be true, or of another shape or type.
    """
    node = _open(folder, name)
    stride, dtype = _read_stride(node), node.dtype
    problem = ""
    if stride < 1 or node.shape != map_shape(*size, stride):
        problem = (
            f"has shape {node.shape} at stride {stride}, which does not fit an image of "
            f"{size[0]}x{size[1]}. Score the data set again."
        )
    elif dtype.name not in dtypes:
        problem = f"is {dtype}, not {' or '.join(dtypes)}."
    if problem:
        msg = f"{folder.file.filename}: {_path_of(folder, name)} {problem}"
        raise StoreError(msg)
    cells = np.empty(node.shape, dtype)
    node.read(h5py.h5s.ALL, h5py.h5s.ALL, cells)
    return StoredMap(cells, stride, locate(node))


def _open(folder: h5py.Group, name: str) -> h5py.h5d.DatasetID:
    """Open a map that lies in this very file."""
    problem = link_problem(folder, name)
    if problem:
        path = _path_of(folder, name)
        msg = f"{folder.file.filename}: '{path}' {problem}. Score the data set again."
        raise StoreError(msg)
    node = h5py.h5d.open(folder.id, name.encode())
    problem = storage_problem(node)
    if problem:
        msg = f"{folder.file.filename}: '{_path_of(folder, name)}' {problem}"
        raise StoreError(msg)
    return node


def _path_of(folder: h5py.Group, name: str) -> str:
    """Return the path of a map inside its file."""
    return f"{folder.name}/{name}".lstrip("/")


def _read_stride(node: h5py.h5d.DatasetID) -> int:
    """Read the attribute; 0 where there is none, or something else than a whole number."""
    name = ATTR_STRIDE.encode()
    if not h5py.h5a.exists(node, name):
        return 0
    attribute = h5py.h5a.open(node, name)
    # Strings are not even looked at: they lie where nothing guards the HDF5 library.
    if attribute.shape != () or attribute.dtype.kind not in "iu":
        return 0
    value = np.empty((), attribute.dtype)
    attribute.read(value)
    return int(value)
