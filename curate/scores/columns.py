"""The tables of a score file in memory, as arrays by column, before they are written.

Weights have mean 1 over the valid pixels of a data set, though parts of it are scored apart: the
mean is known when all images are there. Until then weights are kept as the rule gives them, in
units so coarse that they come back exactly after they were divided by a mean: so a file that is
merged of parts, or resumed, is that of one scorer to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from curate.records import OK, SCORE_NAMES, WEIGHT_NAMES
from curate.scores.schema import (
    IMAGE_COLUMNS,
    IMAGES,
    REGIONS,
    REPEATED,
    TEXT,
    Column,
    stream_column,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.records import ScoredImage
    from curate.scores.schema import Schema

_UNITS: Final = 1 << 18
"""Units of weight 1."""

_BLOCK_ROWS: Final = 65_536

Columns = dict[str, NDArray[Any]]
"""Arrays by column name; columns of strings hold Python strings."""


def image_columns(images: Sequence[ScoredImage], schema: Schema, *, num_classes: int) -> Columns:
    """Arrange scored images as the image table, in their order; no map has a row yet."""
    columns = {}
    for name, column in schema.columns(IMAGES).items():
        shape = (len(images), num_classes) if column.per_class else (len(images),)
        columns[name] = np.empty(shape, numpy_dtype(column))
        for row, image in enumerate(images if name in IMAGE_COLUMNS else ()):
            columns[name][row] = _value(image, name, column)
    for stream in schema.streams:
        columns[stream_column(stream)][:] = [image.streams.get(stream, np.nan) for image in images]
    return round_weights(columns)


def region_columns(images: Sequence[ScoredImage], schema: Schema) -> Columns:
    """Arrange the regions of scored images as the region table, without what is repeated in it."""
    blocks = []
    columns = region_schema(schema)
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
                for name, column in columns.items()
            }
        )
    return round_weights(concatenate(blocks, columns))


def region_schema(schema: Schema) -> dict[str, Column]:
    """Return the columns of the region table that do not follow from others."""
    columns = schema.columns(REGIONS)
    return {name: column for name, column in columns.items() if name not in REPEATED}


def concatenate(
    blocks: Sequence[Columns], schema: dict[str, Column], *, num_classes: int = 0
) -> Columns:
    """Put tables below each other; without any, an empty table."""
    if blocks:
        return {name: np.concatenate([block[name] for block in blocks]) for name in schema}
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


def round_weights(columns: Columns, factors: Sequence[float] = (1.0,) * 4) -> Columns:
    """Multiply the weights of a table and round them to whole units; the other way round `divide`.

    Parameters
    ----------
    factors : sequence of float
        By `WEIGHT_NAMES`.
    """
    rounded = {
        name: (np.rint(columns[name] * np.float64(factor) * _UNITS) / _UNITS).astype(np.float32)
        for name, factor in zip(WEIGHT_NAMES, factors, strict=True)
        if name in columns
    }
    return columns | rounded


def measure_means(images: Columns) -> tuple[float, ...]:
    """Return the mean of each of `WEIGHT_NAMES` over the valid pixels of all images; 1 without any.

    Whole numbers are added up, so that the order of the images does not matter.
    """
    is_ok = images["status"] == OK
    valid_px = images["valid_px"][is_ok].astype(np.int64)
    means = []
    for name in WEIGHT_NAMES:
        units = np.rint(images[name][is_ok].astype(np.float64) * _UNITS).astype(np.int64)
        blocks = np.arange(0, len(units), _BLOCK_ROWS)
        total = sum(np.add.reduceat(units * valid_px, blocks).tolist()) if len(units) else 0
        means.append(total / (_UNITS * int(valid_px.sum())) if total else 1.0)
    return tuple(means)


def divide(columns: Columns, means: Sequence[float]) -> Columns:
    """Divide the weights of a table by their means."""
    divided = {
        name: (columns[name] / np.float64(mean)).astype(np.float32)
        for name, mean in zip(WEIGHT_NAMES, means, strict=True)
        if name in columns
    }
    return columns | divided


def numpy_dtype(column: Column) -> np.dtype[Any]:
    """Return the type of a column in memory."""
    return np.dtype(object if column.dtype == TEXT else column.dtype)


def _value(image: ScoredImage, name: str, column: Column) -> Any:  # noqa: ANN401
    """Return what `image` has to say in column `name`."""
    if column.none is not None:
        return column.none
    if name in {"id", "image_path", "label_path"}:
        return getattr(image.pair, name)
    if name in SCORE_NAMES or name in WEIGHT_NAMES:
        return image.means.get(name, np.nan)
    if name == "message":
        return _storable(image.message)
    return getattr(image, name)


def _storable(message: str) -> str:
    """Replace what neither HDF5 nor Parquet can hold."""
    return message.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
