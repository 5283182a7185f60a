"""The tables of a score file in memory: one array a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from curate.errors import StoreError
from curate.scores.schema import IMAGE_COLUMNS, TEXT, Column, Schema, stream_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curate.records import ScoredImage

Columns = dict[str, NDArray[Any]]
"""Arrays by column name; text columns hold Python strings."""


def numpy_dtype(column: Column) -> np.dtype[Any]:
    """Return the type of a column in memory."""
    return np.dtype(object if column.dtype == TEXT else column.dtype)


def image_columns(images: Sequence[ScoredImage], schema: Schema, *, num_classes: int) -> Columns:
    """Arrange scored images as the image table, in their order."""
    columns = {}
    for name, column in IMAGE_COLUMNS.items():
        shape = (len(images), num_classes) if column.per_class else (len(images),)
        values = np.empty(shape, numpy_dtype(column))
        for row, image in enumerate(images):
            values[row] = _value(image, name)
        columns[name] = values
    for stream in schema.streams:
        own = [image.streams.get(stream, np.nan) for image in images]
        columns[stream_column(stream)] = np.array(own, np.float64)
    return columns


def region_columns(images: Sequence[ScoredImage], schema: Schema) -> Columns:
    """Arrange the regions of scored images as the region table."""
    blocks = []
    for row, image in enumerate(images):
        if image.regions is None:
            continue
        table = image.regions
        count = len(table.score)
        own = {"image": np.full(count, row), "region": np.arange(count)}
        own |= {stream_column(name): table.streams[name] for name in schema.streams}
        blocks.append(
            {
                name: np.asarray(own[name] if name in own else getattr(table, name), column.dtype)
                for name, column in schema.regions.items()
            }
        )
    return concatenate(blocks, schema.regions)


def concatenate(
    blocks: Sequence[Columns], schema: dict[str, Column], *, num_classes: int = 0
) -> Columns:
    """Put tables below each other; without any, an empty table."""
    if not blocks:
        return empty(schema, num_classes=num_classes)
    return {name: np.concatenate([block[name] for block in blocks]) for name in schema}


def empty(schema: dict[str, Column], *, num_classes: int = 0) -> Columns:
    """Return a table without rows."""
    return {
        name: np.empty((0, num_classes) if column.per_class else 0, numpy_dtype(column))
        for name, column in schema.items()
    }


def take(columns: Columns, rows: NDArray[np.int64] | slice) -> Columns:
    """Return some rows of a table."""
    return {name: values[rows] for name, values in columns.items()}


def num_rows(columns: Columns) -> int:
    """Count the rows of a table."""
    return len(next(iter(columns.values())))


def check_columns(columns: Columns, schema: dict[str, Column], *, where: str) -> None:
    """Refuse a table whose columns have the wrong shape or different lengths; see `count_rows`."""
    count_rows({name: columns[name].shape for name in schema}, schema, where=where)


def count_rows(
    shapes: Mapping[str, tuple[int, ...]], schema: dict[str, Column], *, where: str
) -> int:
    """Count the rows of a table whose columns have these shapes.

    Raises
    ------
    StoreError
        Naming the first column whose shape contradicts the others.
    """
    count = next(iter(shapes.values()), (0,))[0]
    for name, column in schema.items():
        if len(shapes[name]) != 1 + column.per_class or shapes[name][0] != count:
            msg = (
                f"{where}: column '{name}' has shape {shapes[name]}, but {count} rows of "
                f"{'one value a class' if column.per_class else 'one value'} are needed. "
                "The file is damaged: score the data set again."
            )
            raise StoreError(msg)
    return count


def _value(image: ScoredImage, name: str) -> Any:  # noqa: ANN401
    """Return what `image` has to say in column `name`."""
    if name in {"id", "image_path", "label_path"}:
        return getattr(image.pair, name)
    if name == "message":
        return _storable(image.message)
    return getattr(image, name)


def _storable(message: str) -> str:
    """Replace what neither HDF5 nor Parquet can hold."""
    return message.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
