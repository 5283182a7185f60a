"""The score file, every name and type of it written once.

See `curate.scores.score_file.ScoreFile` for how to read one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from curate.records import SCORE_NAMES, WEIGHT_NAMES

if TYPE_CHECKING:
    from collections.abc import Collection

FORMAT: Final = "curate-scores"
FORMAT_VERSION: Final = 2


class Attr:
    """Names of attributes; those of a file are the keys of the tables' metadata, too."""

    FORMAT: Final = "format"
    VERSION: Final = "format_version"
    PROVENANCE: Final = "provenance"
    ROOT: Final = "dataset_root"
    MEANS: Final = "weight_means"
    """Means of the weights before they were divided by them, by `WEIGHT_NAMES`: JSON."""
    SCALE: Final = "scale"
    STRIDE: Final = "stride"
    CLASS_NAMES: Final = "class_names"


IMAGES: Final = "images"
REGIONS: Final = "regions"
PIXEL_SCORES: Final = "pixel_scores"
PIXEL_WEIGHTS: Final = "pixel_weights"
REGION_IDS: Final = "region_ids"
STREAM_SCORES: Final = "stream_scores"

NO_MEANS: Final = (1.0,) * len(WEIGHT_NAMES)
"""Of weights that were not divided by anything, as in a work folder."""

PIXEL_SCALE: Final = 1 / 255
"""Score per unit of a stored pixel score."""

TEXT: Final = "text"
"""Marks a column of strings (fixed-length UTF-8 on disk, Python strings in memory)."""

_STREAM_PREFIX: Final = "stream_"


@dataclass(frozen=True, slots=True)
class Column:
    """Type of one column.

    Attributes
    ----------
    dtype : str
        A NumPy type, or `TEXT`.
    per_class : bool
        Whether a row holds one value a class, so that the column is (N, C) and not (N,).
    none : int, str or None
        Stands for "not scored" where NaN cannot.
    """

    dtype: str
    per_class: bool = False
    none: int | str | None = None


IMAGE_COLUMNS: Final[dict[str, Column]] = {
    "id": Column(TEXT),
    "image_path": Column(TEXT),
    "label_path": Column(TEXT),
    "height": Column("int32"),
    "width": Column("int32"),
    "orientation": Column("int32"),
    "status": Column(TEXT),
    "message": Column(TEXT),
    "valid_px": Column("int64"),
    "map_size": Column(TEXT, none=""),
    "map_row": Column("int32", none=-1),
    **dict.fromkeys((*SCORE_NAMES, *WEIGHT_NAMES), Column("float32")),
    "class_px": Column("int64", per_class=True),
    "class_score": Column("float32", per_class=True),
}
"""One row an image, sorted by ``id``."""

REGION_COLUMNS: Final[dict[str, Column]] = {
    "image": Column("int64"),
    "id": Column(TEXT),
    "region": Column("int32"),
    "class_id": Column("int16"),
    "class_name": Column(TEXT),
    "area_px": Column("int64"),
    "valid_px": Column("int64"),
    "top": Column("int32"),
    "left": Column("int32"),
    "bottom": Column("int32"),
    "right": Column("int32"),
    "score": Column("float32"),
    "weight": Column("float32"),
}
"""One row a region, sorted by image and region; ``image`` is the row in the image table."""

REPEATED: Final = ("id", "class_name")
"""Columns of the region table that follow from others."""


def stream_column(stream: str) -> str:
    """Name the column of a stream, the same in both tables."""
    return f"{_STREAM_PREFIX}{stream}"


def stream_group(stream: str) -> str:
    """Name the group of the maps of a stream."""
    return f"{STREAM_SCORES}/{stream}"


def is_score(column: str) -> bool:
    """Tell whether a column holds scores."""
    return column == "score" or column.endswith("_score") or column.startswith(_STREAM_PREFIX)


def is_weight(column: str) -> bool:
    """Tell whether a column holds weights."""
    return column in WEIGHT_NAMES


def map_shape(height: int, width: int, stride: int) -> tuple[int, int]:
    """Return the number of cells down and across; the last ones may reach beyond the image."""
    return -(-height // stride), -(-width // stride)


def map_size(shape: tuple[int, ...]) -> str:
    """Name the data set of all maps of one size: ``45x60``."""
    return f"{shape[0]}x{shape[1]}"


def image_map_size(height: int, width: int, stride: int) -> str:
    """Name the data set that the maps of an image are in."""
    return map_size(map_shape(height, width, stride))


def map_scale(group: str, largest_weight: float) -> float | None:
    """Tell what a stored value of a map is worth, see `Attr.SCALE`."""
    if group == PIXEL_WEIGHTS:
        return largest_weight
    return None if group == REGION_IDS else PIXEL_SCALE


def map_dtype(group: str, shape: tuple[int, ...]) -> str:
    """Return the type of maps; there are no more regions than cells."""
    if group != REGION_IDS:
        return "uint8"
    return "uint16" if shape[0] * shape[1] <= 1 << 16 else "uint32"


@dataclass(frozen=True, slots=True)
class Schema:
    """What a score file holds.

    Attributes
    ----------
    streams : tuple of str
        Names of the streams; each is a column of both tables, NaN where the stream is inactive.
    stream_maps : bool
        Whether there is a map of each active stream, too.
    """

    streams: tuple[str, ...] = ()
    stream_maps: bool = False

    @property
    def stream_groups(self) -> dict[str, str]:
        """Return the stream of each group of maps of streams."""
        return {stream_group(name): name for name in self.streams if self.stream_maps}

    def columns(self, table: str) -> dict[str, Column]:
        """Return the columns of a table."""
        own = {stream_column(name): Column("float32") for name in self.streams}
        return (IMAGE_COLUMNS if table == IMAGES else REGION_COLUMNS) | own

    @property
    def region_columns(self) -> dict[str, Column]:
        """Return the columns of the region table that do not follow from others."""
        columns = self.columns(REGIONS)
        return {name: column for name, column in columns.items() if name not in REPEATED}

    def map_groups(self, levels: Collection[str]) -> list[str]:
        """List the groups of maps of a file with some levels."""
        of_pixels = [PIXEL_SCORES, PIXEL_WEIGHTS, *self.stream_groups]
        by_level = {"pixel": of_pixels, "region": [REGION_IDS]}
        return [group for level, groups in by_level.items() if level in levels for group in groups]
