"""Writing the parts of a score file into an HDF5 file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np
from h5py import h5a, h5d, h5p, h5s, h5t, h5z

from curate.scores.columns import Columns, numpy_dtype
from curate.scores.packing import COMPRESSIONS
from curate.scores.schema import (
    ATTR_FORMAT,
    ATTR_PROVENANCE,
    ATTR_ROOT,
    ATTR_SCALE,
    ATTR_STRIDE,
    ATTR_VERSION,
    FORMAT,
    FORMAT_VERSION,
    IMAGES,
    PIXEL_SCALE,
    REGION_IDS,
    REGIONS,
    TEXT,
    Column,
    Schema,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from curate.scores.packing import PackedMap

_DEFLATE: Final = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
_CHUNK_ROWS: Final = 65_536
_H5_TYPES: Final = {"uint8": h5t.STD_U8LE, "uint16": h5t.STD_U16LE, "uint32": h5t.STD_U32LE}
_SCALAR: Final = h5s.create(h5s.SCALAR)


def write_header(file: h5py.File, *, provenance: str, dataset_root: str) -> None:
    """Write the attributes of a score file."""
    file.attrs[ATTR_FORMAT] = FORMAT
    file.attrs[ATTR_VERSION] = FORMAT_VERSION
    file.attrs[ATTR_PROVENANCE] = provenance
    file.attrs[ATTR_ROOT] = dataset_root


def write_images(file: h5py.File, columns: Columns, schema: Schema) -> None:
    """Write the image table."""
    group = file.create_group(IMAGES)
    for name, column in schema.images.items():
        values = columns[name]
        _create(group, name, column, values.shape)[...] = values


def write_regions(
    file: h5py.File, blocks: Iterable[Columns], schema: Schema, *, count: int
) -> None:
    """Write the region table of `count` rows, given block after block."""
    group = file.create_group(REGIONS)
    nodes = {name: _create(group, name, c, (count,)) for name, c in schema.regions.items()}
    start = 0
    for block in blocks:
        end = start + len(block["image"])
        for name, node in nodes.items():
            node[start:end] = block[name]
        start = end


class MapGroup:
    """A group of maps in a new file, one data set an image.

    Maps arrive packed and are stored as they are. The low-level interface of h5py is three times
    as fast as its data sets, which matters where there are two of them an image.

    Parameters
    ----------
    file : h5py.File
    name : str
        ``pixel_scores``, ``region_ids`` or ``stream_scores/<stream>``.
    stride : int
        Pixels of the original image per cell.
    """

    def __init__(self, file: h5py.File, name: str, *, stride: int) -> None:
        self.name = name
        self._root = file.create_group(name)
        self._folders: dict[str, h5py.Group] = {"": self._root}
        self._settings: dict[tuple[object, ...], Any] = {}
        self._attributes = [(ATTR_STRIDE, h5t.STD_I64LE, np.array(stride, np.int64))]
        if name != REGION_IDS:
            self._attributes.append((ATTR_SCALE, h5t.IEEE_F64LE, np.array(PIXEL_SCALE)))

    def write(self, image_id: str, packed: PackedMap) -> None:
        """Store the map of an image; the parts of its id become nested groups."""
        folder, name = self._place(image_id)
        space = h5s.create_simple(packed.shape)
        node = h5d.create(
            folder.id, name.encode(), _H5_TYPES[packed.dtype], space, self._layout(packed)
        )
        node.write_direct_chunk((0, 0), packed.data)
        for attribute, kind, value in self._attributes:
            h5a.create(node, attribute.encode(), kind, _SCALAR).write(value)

    def copy(self, image_id: str, node: h5py.Dataset) -> None:
        """Copy the map of an image, with its attributes, from another file without unpacking it."""
        folder, name = self._place(image_id)
        folder.copy(node, folder, name=name)

    def _place(self, image_id: str) -> tuple[h5py.Group, str]:
        """Return the group that a map goes into, and its name there."""
        path, _, name = image_id.rpartition("/")
        if path not in self._folders:
            self._folders[path] = self._root.require_group(path)
        return self._folders[path], name

    def _layout(self, packed: PackedMap) -> Any:  # noqa: ANN401 (h5py has no types)
        """Return the creation properties of a map: one chunk, packed in its way."""
        key = (packed.shape, packed.dtype, packed.compression)
        if key not in self._settings:
            how = COMPRESSIONS[packed.compression]
            layout = h5p.create(h5p.DATASET_CREATE)
            layout.set_chunk(packed.shape)
            layout.set_obj_track_times(False)
            if packed.dtype != "uint8":
                layout.set_shuffle()
            layout.set_filter(how.filter_id, h5z.FLAG_MANDATORY, how.filter_options)
            self._settings[key] = layout
        return self._settings[key]


def _create(group: h5py.Group, name: str, column: Column, shape: tuple[int, ...]) -> h5py.Dataset:
    """Create a column; columns without values cannot be compressed."""
    dtype = h5py.string_dtype() if column.dtype == TEXT else numpy_dtype(column)
    if 0 in shape:
        return group.create_dataset(name, shape, dtype)
    chunks = (min(shape[0], _CHUNK_ROWS), *shape[1:])
    return group.create_dataset(name, shape, dtype, chunks=chunks, **_DEFLATE)
