"""Loading the tables of a score file, whichever shape it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import h5py
import numpy as np

from curate.errors import StoreError
from curate.store.columns import Columns, check_columns, concatenate, empty, num_rows, take
from curate.store.hdf5 import find, read_table, reading
from curate.store.ids import check_ids
from curate.store.parquet import read_parquet
from curate.store.schema import IMAGE_COLUMNS, IMAGES, REGION_COLUMNS, REGIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.store.targets import Target


@dataclass(frozen=True, slots=True)
class Loaded:
    """Tables of a score file.

    Attributes
    ----------
    images : Columns
        Sorted by id.
    file_of : (N,) int64
        Number of the HDF5 file that holds the maps of each image.
    load_regions : callable
        Reads the region table.
    """

    images: Columns
    file_of: NDArray[np.int64]
    load_regions: Callable[[], Columns]


def load_h5(paths: Sequence[Path], open_file: Callable[[Path], h5py.File]) -> Loaded:
    """Load the image tables of HDF5 files as one."""
    tables = [load_file_images(open_file(path)) for path in paths]
    images = concatenate(tables, IMAGE_COLUMNS)
    file_of = np.repeat(np.arange(len(paths)), [num_rows(table) for table in tables])
    order = np.argsort(images["id"], kind="stable")
    images = _checked_images(take(images, order), where=", ".join(map(str, paths)))
    new_row = np.empty_like(order)
    new_row[order] = np.arange(len(order))

    def load_regions() -> Columns:
        blocks, first = [], 0
        for path, table in zip(paths, tables, strict=True):
            count = num_rows(table)
            block = load_file_regions(open_file(path), num_images=count)
            block["image"] = new_row[first + block["image"]]
            blocks.append(block)
            first += count
        regions = concatenate(blocks, REGION_COLUMNS)
        return take(regions, np.argsort(regions["image"], kind="stable"))

    return Loaded(images, file_of[order], load_regions)


def load_tables(target: Target) -> Loaded:
    """Load the Parquet tables."""
    path = target.images_table
    images = _checked_images(read_parquet(path, IMAGE_COLUMNS), where=str(path))
    count = num_rows(images)

    def load_regions() -> Columns:
        table = target.regions_table
        if not table.exists():
            return empty(REGION_COLUMNS)
        regions = read_parquet(table, REGION_COLUMNS)
        return _checked_regions(regions, num_images=count, where=table)

    return Loaded(images, np.zeros(count, np.int64), load_regions)


def load_file_images(file: h5py.File) -> Columns:
    """Load and check the image table of one HDF5 file."""
    return _checked_images(_read(file, IMAGES), where=file.filename)


def load_file_regions(file: h5py.File, *, num_images: int) -> Columns:
    """Load and check the region table of one HDF5 file; empty where it has none."""
    if REGIONS not in file:
        return empty(REGION_COLUMNS)
    return _checked_regions(_read(file, REGIONS), num_images=num_images, where=file.filename)


def _read(file: h5py.File, name: str) -> Columns:
    """Read one of the two tables of a file."""
    schema = IMAGE_COLUMNS if name == IMAGES else REGION_COLUMNS
    with reading(file.filename):
        return read_table(find(file, name, h5py.Group), schema)


def _checked_images(images: Columns, *, where: str) -> Columns:
    """Refuse an image table that contradicts itself."""
    check_columns(images, IMAGE_COLUMNS, where=where)
    ids = images["id"]
    check_ids(ids)
    if len(set(ids)) < len(ids):
        msg = f"{where}: an image id occurs twice. Score the data set again."
        raise StoreError(msg)
    if num_rows(images) and min(images["height"].min(), images["width"].min()) < 0:
        msg = f"{where}: an image has a negative size. Score the data set again."
        raise StoreError(msg)
    return images


def _checked_regions(regions: Columns, *, num_images: int, where: str | Path) -> Columns:
    """Refuse a region table that names unknown images or is not sorted."""
    check_columns(regions, REGION_COLUMNS, where=str(where))
    image = regions["image"]
    if len(image) and (image.min() < 0 or image.max() >= num_images or (np.diff(image) < 0).any()):
        msg = f"{where}: the region table names unknown images or is not sorted. Score again."
        raise StoreError(msg)
    return regions
