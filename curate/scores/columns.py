"""The tables of a score file in memory, as arrays by column, before they are written.

Weights have mean 1 over the valid pixels of a data set, though parts of it are scored apart: the
mean is known when all images are there. Until then weights are kept as the rule gives them, in
units so coarse that they come back exactly after they were divided by a mean: so a file that is
merged of parts, or resumed, is that of one scorer to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from curate.records import OK, SCORE_NAMES, WEIGHT_NAMES
from curate.scores.schema import IMAGE_COLUMNS, IMAGES, TEXT, Column, Schema, stream_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.records import Pair
    from curate.scores.packing import PackedMap

_UNITS: Final = 1 << 18
"""Units of weight 1."""

_BLOCK_ROWS: Final = 65_536

Columns = dict[str, NDArray[Any]]
"""Arrays by column name; columns of strings hold Python strings."""


@dataclass(frozen=True, slots=True)
class RegionTable:
    """Regions of one image, R rows in the order of their number.

    Attributes
    ----------
    class_id : (R,) int16
        Most frequent class, 255 where every pixel is ignored.
    area_px : (R,) int64
        Pixels of the original image, ignored ones included.
    valid_px : (R,) int64
        Pixels with a class.
    top, left, bottom, right : (R,) int32
        Bounding box in pixels of the original image, half-open.
    score, weight : (R,) float64
        Means of the combined score and its weight over the valid pixels; NaN where there are none.
    streams : dict of str to (R,) float64
        Mean score of each stream over the valid pixels; NaN everywhere for an inactive one.
    """

    class_id: NDArray[np.int16]
    area_px: NDArray[np.int64]
    valid_px: NDArray[np.int64]
    top: NDArray[np.int32]
    left: NDArray[np.int32]
    bottom: NDArray[np.int32]
    right: NDArray[np.int32]
    score: NDArray[np.float64]
    weight: NDArray[np.float64]
    streams: dict[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScoredImage:
    """One image as a score file stores it.

    Attributes
    ----------
    pair : Pair
    height, width : int
        Size of the original image in pixels; 0 where it could not be read.
    orientation : int
        EXIF orientation that was applied, 1 = none; height and width are of the image as displayed.
    status : str
        ``"ok"`` or the code of the problem; on a problem the scores are NaN and the maps None.
    message : str
        The problem in words, empty when ok.
    valid_px : int
        Pixels of the original image that have a class.
    means : dict of str to float
        By `SCORE_NAMES` and `WEIGHT_NAMES`, over the valid pixels: scores in [0, 1], ``score`` the
        combined one, and the weights that follow from them, not yet divided by their mean over the
        data set. Empty: not scored.
    class_px : (C,) int64
        Valid pixels of each class.
    class_score : (C,) float64
        Mean combined score over the pixels of each class; NaN where the class is absent.
    pixel_scores : (ceil(H/s), ceil(W/s)) uint8, packed, or None
        Combined score times 255.
    pixel_weights : same shape, uint8, packed, or None
        Its weight times 255, divided by the largest one that the weight rule allows.
    region_ids : same shape, uint16 or uint32, packed, or None
    regions : RegionTable or None
    streams : dict of str to float
        Mean score of each stream, in [0, 1]; NaN for an inactive one.
    stream_scores : dict of str to map
        The map of each active stream, as `pixel_scores`, where it is kept.
    """

    pair: Pair
    height: int
    width: int
    status: str
    message: str
    valid_px: int
    means: dict[str, float]
    class_px: NDArray[np.int64]
    class_score: NDArray[np.float64]
    pixel_scores: PackedMap | None = None
    pixel_weights: PackedMap | None = None
    region_ids: PackedMap | None = None
    regions: RegionTable | None = None
    streams: dict[str, float] = field(default_factory=dict)
    stream_scores: dict[str, PackedMap] = field(default_factory=dict)
    orientation: int = 1


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
    columns = schema.region_columns
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
