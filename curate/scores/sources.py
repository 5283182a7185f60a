"""Where scores come from: finished HDF5 files and tables, and pieces of the work folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

import h5py
import numpy as np

from curate.errors import StoreError
from curate.scores.columns import Columns, empty, num_rows, take
from curate.scores.h5_read import find, open_h5, read_column, read_table, reading
from curate.scores.headers import Header, read_h5_header, read_table_headers
from curate.scores.pieces import read_piece_images, read_piece_maps, read_piece_regions
from curate.scores.provenance import decode, schema_of
from curate.scores.reading import load_file_images
from curate.scores.schema import REGION_COLUMNS, REGIONS, Schema
from curate.scores.tables_arrow import read_metadata, read_parquet
from curate.scores.targets import Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.scores.h5_write import MapGroup
    from curate.scores.packing import PackedMap
    from curate.scores.targets import Target

T = TypeVar("T")

_MAX_OPEN_FILES: Final = 16
_MAX_PARTS: Final = 3


class Origin(ABC):
    """Finished scores of some images of a data set; rows are images."""

    def __init__(self, path: Path, cache: OriginCache) -> None:
        self.path = path
        self.cache = cache

    @abstractmethod
    def header(self) -> Header:
        """Read where the scores come from."""

    @cached_property
    def schema(self) -> Schema:
        """Return what the origin holds."""
        return schema_of(self.header().provenance, where=str(self.path))

    @abstractmethod
    def load(self) -> tuple[Columns, NDArray[np.int64]]:
        """Read the image table, and how many regions each image has, (N,)."""

    @abstractmethod
    def regions(self, first: int, count: int) -> Columns:
        """Read `count` rows of the region table."""

    @abstractmethod
    def map_bytes(self, group: str, row: int, image_id: str) -> int:
        """Return the size of a packed map."""

    @abstractmethod
    def copy_map(self, row: int, image_id: str, target: MapGroup) -> None:
        """Copy a map of `target`'s kind as it is, without unpacking it."""


class H5Origin(Origin):
    """A finished HDF5 file."""

    def header(self) -> Header:
        """Read the attributes."""
        return read_h5_header(self._file)

    def load(self) -> tuple[Columns, NDArray[np.int64]]:
        """Read the image table and one column of the other."""
        images = load_file_images(self._file, self.schema)
        if REGIONS not in self._file:
            return images, np.zeros(num_rows(images), np.int64)
        with reading(self.path):
            group = find(self._file, REGIONS, h5py.Group)
            image = read_column(group, "image", REGION_COLUMNS["image"])
            return images, np.bincount(image, minlength=num_rows(images)).astype(np.int64)

    def regions(self, first: int, count: int) -> Columns:
        """Read rows of the region table."""
        with reading(self.path):
            group = find(self._file, REGIONS, h5py.Group)
            return read_table(group, self.schema.regions, slice(first, first + count))

    def map_bytes(self, group: str, row: int, image_id: str) -> int:  # noqa: ARG002
        """Ask the file."""
        return int(self._map(group, image_id).id.get_storage_size())

    def copy_map(self, row: int, image_id: str, target: MapGroup) -> None:  # noqa: ARG002
        """Let the HDF5 library copy it."""
        target.copy(image_id, self._map(target.name, image_id))

    @property
    def _file(self) -> h5py.File:
        """Return the open file."""
        return self.cache.file(self.path)

    def _map(self, group: str, image_id: str) -> Any:  # noqa: ANN401
        """Find a map."""
        return find(self._file, f"{group}/{image_id}", h5py.Dataset)


class PieceOrigin(Origin):
    """A piece of the work folder."""

    def header(self) -> Header:
        """Read the metadata."""
        metadata = read_metadata(self.path)
        return Header(decode(metadata.provenance, where=str(self.path)), metadata.dataset_root)

    def load(self) -> tuple[Columns, NDArray[np.int64]]:
        """Read the image table."""
        return read_piece_images(self.path, self.schema)

    def regions(self, first: int, count: int) -> Columns:
        """Cut from the table."""
        regions: Columns = self.cache.recent(read_piece_regions, self.path, self.schema)
        return take(regions, slice(first, first + count))

    def map_bytes(self, group: str, row: int, image_id: str) -> int:
        """Measure the packed map."""
        return len(self._packed(group, row, image_id).data)

    def copy_map(self, row: int, image_id: str, target: MapGroup) -> None:
        """Write the packed map as a chunk."""
        target.write(image_id, self._packed(target.name, row, image_id))

    def _packed(self, group: str, row: int, image_id: str) -> PackedMap:
        """Find a map."""
        maps = self.cache.recent(read_piece_maps, self.path, self.schema).get(group)
        if maps is None or (packed := maps[row]) is None:
            msg = f"{self.path}: image '{image_id}' has no {group}. Score again with --overwrite."
            raise StoreError(msg)
        return packed


class TableOrigin(Origin):
    """The two finished Parquet tables of a score file without maps."""

    def __init__(self, target: Target, cache: OriginCache) -> None:
        super().__init__(target.images_table, cache)
        self.target = target

    def header(self) -> Header:
        """Read the metadata of both tables, which must belong together."""
        return read_table_headers(self.target)[0]

    def load(self) -> tuple[Columns, NDArray[np.int64]]:
        """Read both tables."""
        images = read_parquet(self.path, self.schema.images)
        return images, np.bincount(self._regions["image"], minlength=num_rows(images))

    def regions(self, first: int, count: int) -> Columns:
        """Cut from the table."""
        return take(self._regions, slice(first, first + count))

    def map_bytes(self, group: str, row: int, image_id: str) -> int:  # noqa: ARG002
        """Return 0: there are none."""
        return 0

    def copy_map(self, row: int, image_id: str, target: MapGroup) -> None:  # noqa: ARG002
        """Refuse: there are none."""
        msg = (
            f"{self.path} holds tables only, no {target.name}: name an --out that ends in "
            ".parquet, or score again into an .h5 file."
        )
        raise StoreError(msg)

    @cached_property
    def _regions(self) -> Columns:
        """Load the region table, if there is one."""
        path, columns = self.target.regions_table, self.schema.regions
        return read_parquet(path, columns) if path.exists() else empty(columns)


def open_origins(target: Target, cache: OriginCache) -> list[Origin]:
    """List the finished files of a score file, as far as they are there."""
    if target.kind is Kind.TABLES:
        return [TableOrigin(target, cache)] if target.images_table.exists() else []
    return [H5Origin(path, cache) for path in target.h5_files()]


class OriginCache:
    """The files that were used last, open, and parts of pieces, in memory."""

    def __init__(self) -> None:
        self._files: OrderedDict[Path, h5py.File] = OrderedDict()
        self._parts: OrderedDict[tuple[object, Path, Schema], Any] = OrderedDict()

    def file(self, path: Path) -> h5py.File:
        """Return an open HDF5 file."""
        file = self._files.pop(path, None) or open_h5(path)
        self._files[path] = file
        while len(self._files) > _MAX_OPEN_FILES:
            self._files.popitem(last=False)[1].close()
        return file

    def recent(self, read: Callable[[Path, Schema], T], path: Path, schema: Schema) -> T:
        """Return what `read` reads from a piece, from memory if it was read lately."""
        key = (read, path, schema)
        part: T = self._parts.pop(key) if key in self._parts else read(path, schema)
        self._parts[key] = part
        while len(self._parts) > _MAX_PARTS:
            self._parts.popitem(last=False)
        return part

    def close(self) -> None:
        """Close and forget them all."""
        self._parts.clear()
        while self._files:
            self._files.popitem()[1].close()
