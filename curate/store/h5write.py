"""Writing the parts of a score file into an HDF5 file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import h5py

from curate.store.columns import Columns, numpy_dtype
from curate.store.schema import (
    ATTR_FORMAT,
    ATTR_PROVENANCE,
    ATTR_ROOT,
    ATTR_VERSION,
    FORMAT,
    FORMAT_VERSION,
    IMAGE_COLUMNS,
    IMAGES,
    REGION_COLUMNS,
    REGIONS,
    TEXT,
    Column,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_DEFLATE: Final = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
_CHUNK_ROWS: Final = 65_536


def write_header(file: h5py.File, *, provenance: str, dataset_root: str) -> None:
    """Write the attributes of a score file."""
    file.attrs[ATTR_FORMAT] = FORMAT
    file.attrs[ATTR_VERSION] = FORMAT_VERSION
    file.attrs[ATTR_PROVENANCE] = provenance
    file.attrs[ATTR_ROOT] = dataset_root


def write_images(file: h5py.File, columns: Columns) -> None:
    """Write the image table."""
    group = file.create_group(IMAGES)
    for name, column in IMAGE_COLUMNS.items():
        values = columns[name]
        _create(group, name, column, values.shape)[...] = values


def write_regions(file: h5py.File, blocks: Iterable[Columns], *, count: int) -> None:
    """Write the region table of `count` rows, given block after block."""
    group = file.create_group(REGIONS)
    nodes = {name: _create(group, name, c, (count,)) for name, c in REGION_COLUMNS.items()}
    start = 0
    for block in blocks:
        end = start + len(block["image"])
        for name, node in nodes.items():
            node[start:end] = block[name]
        start = end


def write_map(group: h5py.Group, image_id: str, values: NDArray[Any], **attributes: float) -> None:
    """Write a map of one image; the parts of its id become nested groups."""
    node = group.create_dataset(image_id, data=values, chunks=values.shape, **_DEFLATE)
    node.attrs.update(attributes)


def _create(group: h5py.Group, name: str, column: Column, shape: tuple[int, ...]) -> h5py.Dataset:
    """Create a column; columns without values cannot be compressed."""
    dtype = h5py.string_dtype() if column.dtype == TEXT else numpy_dtype(column)
    if 0 in shape:
        return group.create_dataset(name, shape, dtype)
    chunks = (min(shape[0], _CHUNK_ROWS), *shape[1:])
    return group.create_dataset(name, shape, dtype, chunks=chunks, **_DEFLATE)
