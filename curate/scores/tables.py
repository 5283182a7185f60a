"""The two tables of a score file, each column read and checked when it is first asked for."""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import StoreError
from curate.records import OK
from curate.scores.arrow import from_arrow, text_scalar, to_arrow
from curate.scores.checks import check_image_column, check_region_column, check_region_images
from curate.scores.columns import count_rows, numpy_dtype
from curate.scores.h5_read import find, find_column, reading
from curate.scores.ids import check_id_column
from curate.scores.schema import IMAGES, REGIONS, TEXT
from curate.scores.strings import read_strings
from curate.scores.tables_arrow import open_table, read_table_column

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.scores.schema import Schema
    from curate.scores.targets import Target

Values = Any
"""A column: an array of numbers, (N,) or (N, C), or an Arrow array of strings."""


class TableSource(Protocol):
    """Where tables are read from: one or more parts, each with its own rows."""

    def count(self, table: str) -> list[int]:
        """Count the rows of a table in each part, after a look at the types of its columns."""

    def read(self, table: str, name: str) -> list[Values]:
        """Read a column of a table from each part."""


class Tables:
    """The tables of a score file as one, whichever shape it has; images are sorted by id.

    Parameters
    ----------
    source : TableSource
    where : str
        Names the score file in errors.
    """

    def __init__(self, source: TableSource, where: str) -> None:
        self._source = source
        self._where = where
        self._columns: dict[tuple[str, str], Values] = {}

    @cached_property
    def num_images(self) -> int:
        """Return the number of images."""
        return sum(self._image_counts)

    @cached_property
    def is_ok(self) -> NDArray[np.bool_]:
        """Tell which images were scored, (N,)."""
        return from_arrow(pc.equal(self.images("status"), text_scalar(OK)))

    @cached_property
    def part_of(self) -> NDArray[np.int64]:
        """Return the part that each image comes from, (N,)."""
        parts = np.repeat(np.arange(len(self._image_counts)), self._image_counts)
        return np.asarray(_take(parts, self._order))

    def images(self, name: str) -> Values:
        """Return a column of the image table."""
        return self._column(IMAGES, name)

    def regions(self, name: str) -> Values:
        """Return a column of the region table; ``image`` counts rows of this image table."""
        return self._column(REGIONS, name)

    def row_of(self, image_id: str) -> int | None:
        """Find the row of an image, None if there is none."""
        ids = self.images("id")
        row = bisect_left(range(len(ids)), image_id, key=lambda row: ids[row].as_py())
        return row if row < len(ids) and ids[row].as_py() == image_id else None

    @cached_property
    def _image_counts(self) -> list[int]:
        """Count the images of each part."""
        return self._source.count(IMAGES)

    @cached_property
    def _region_counts(self) -> list[int]:
        """Count the regions of each part."""
        return self._source.count(REGIONS)

    @cached_property
    def _order(self) -> NDArray[np.int64] | None:
        """Return the rows of all parts in the order of their ids; None: they are in order."""
        _ = self._image_counts
        ids = _join(self._source.read(IMAGES, "id"))
        order = None
        if not _rises(ids):
            order = from_arrow(pc.sort_indices(ids)).astype(np.int64)
            ids = ids.take(to_arrow(order))
            if not _rises(ids):
                msg = f"{self._where}: an image id occurs twice. Score the data set again."
                raise StoreError(msg)
        check_id_column(ids)
        self._columns[IMAGES, "id"] = ids
        return order

    @cached_property
    def _region_image(self) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """Return the image of each region, and the order that sorts the regions by it."""
        blocks, first = [], 0
        _ = self._region_counts
        for count, block in zip(
            self._image_counts, self._source.read(REGIONS, "image"), strict=True
        ):
            check_region_images(block, num_images=count, where=self._where)
            blocks.append(block + first if first else block)
            first += count
        image = _join(blocks)
        if self._order is None:
            return image, None
        new_row = np.empty_like(self._order)
        new_row[self._order] = np.arange(len(new_row))
        image = new_row[image]
        order = np.argsort(image, kind="stable")
        return image[order], order

    def _column(self, table: str, name: str) -> Values:
        """Read a column unless it is there."""
        key = (table, name)
        if key not in self._columns:
            values = self._read_images(name) if table == IMAGES else self._read_regions(name)
            self._columns.setdefault(key, values)
        return self._columns[key]

    def _read_images(self, name: str) -> Values:
        """Read a column of the image table."""
        order = self._order
        if name == "id":
            return self._columns[IMAGES, "id"]
        with reading(self._where):  # parts may have different numbers of classes
            values = _take(_join(self._source.read(IMAGES, name)), order)
        if not isinstance(values, pa.Array):
            check_image_column(name, values, self.is_ok, where=self._where)
        return values

    def _read_regions(self, name: str) -> Values:
        """Read a column of the region table."""
        image, order = self._region_image
        if name == "image":
            return image
        values = _take(_join(self._source.read(REGIONS, name)), order)
        check_region_column(name, values, where=self._where)
        return values


class H5Source:
    """Tables in one or more HDF5 files."""

    def __init__(
        self, paths: Sequence[Path], open_file: Callable[[Path], h5py.File], schema: Schema
    ) -> None:
        self._paths = paths
        self._open_file = open_file
        self._schema = schema

    def count(self, table: str) -> list[int]:
        """Count the rows of a table in each file; a table of regions may be missing."""
        counts, columns = [], self._schema.columns(table)
        for path in self._paths:
            with reading(path):
                group = self._group(path, table)
                nodes = {} if group is None else {
                    name: find_column(group, name, column)
                    for name, column in columns.items()
                }  # fmt: skip
                shapes = {name: node.shape for name, node in nodes.items()}
            counts.append(count_rows(shapes, columns, where=str(path)) if shapes else 0)
        return counts

    def read(self, table: str, name: str) -> list[Values]:
        """Read a column from each file."""
        column = self._schema.columns(table)[name]
        blocks = []
        for path in self._paths:
            with reading(path):
                group = self._group(path, table)
                if group is None:
                    blocks.append(np.empty(0, numpy_dtype(column)))
                    continue
                node = find_column(group, name, column)
                blocks.append(read_strings(node) if column.dtype == TEXT else node[...])
        return blocks

    def _group(self, path: Path, table: str) -> h5py.Group | None:
        """Find a table; None where there are no regions."""
        file = self._open_file(path)
        if table == REGIONS and REGIONS not in file:
            return None
        return find(file, table, h5py.Group)


class ParquetSource:
    """Tables in Parquet files."""

    def __init__(self, target: Target, schema: Schema) -> None:
        self._schema = schema
        self._paths = {IMAGES: target.images_table, REGIONS: target.regions_table}

    def count(self, table: str) -> list[int]:
        """Count the rows of a table; a table of regions may be missing."""
        path = self._paths[table]
        if table == REGIONS and not path.exists():
            return [0]
        with open_table(path, self._schema.columns(table)) as file:
            return [int(file.metadata.num_rows)]

    def read(self, table: str, name: str) -> list[Values]:
        """Read a column."""
        path, columns = self._paths[table], self._schema.columns(table)
        if table == REGIONS and not path.exists():
            return [np.empty(0, numpy_dtype(columns[name]))]
        with open_table(path, columns) as file:
            return [read_table_column(file, name, columns[name], path)]


def _rises(ids: pa.LargeStringArray) -> bool:
    """Tell whether each id comes after the one before."""
    return len(ids) < 2 or bool(pc.all(pc.less(ids[:-1], ids[1:])).as_py())


def _join(blocks: list[Values]) -> Values:
    """Put the columns of all parts below each other."""
    if len(blocks) == 1:
        return blocks[0]
    if isinstance(blocks[0], pa.Array):
        return pa.concat_arrays(blocks)
    return np.concatenate(blocks)


def _take(values: Values, order: NDArray[np.int64] | None) -> Values:
    """Sort a column."""
    if order is None:
        return values
    return values.take(to_arrow(order)) if isinstance(values, pa.Array) else values[order]
