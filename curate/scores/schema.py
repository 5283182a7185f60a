"""The score file, every name and type of it written once.

See `curate.scores.score_file.ScoreFile` for how to read one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

FORMAT: Final = "curate-scores"
FORMAT_VERSION: Final = 1

ATTR_FORMAT: Final = "format"
ATTR_VERSION: Final = "format_version"
ATTR_PROVENANCE: Final = "provenance"
ATTR_ROOT: Final = "dataset_root"
ATTR_SCALE: Final = "scale"
ATTR_STRIDE: Final = "stride"

IMAGES: Final = "images"
REGIONS: Final = "regions"
PIXEL_SCORES: Final = "pixel_scores"
REGION_IDS: Final = "region_ids"
STREAM_SCORES: Final = "stream_scores"

PIXEL_SCALE: Final = 1 / 255
"""Score per unit of a stored pixel score."""

SHARD_BYTES: Final = 20_000_000_000
"""Largest size of one file of a folder of shards."""

_STREAM_PREFIX: Final = "stream_"

TEXT: Final = "text"
"""Marks a column of strings (variable-length UTF-8 on disk, Python strings in memory)."""


@dataclass(frozen=True, slots=True)
class Column:
    """Type of one column.

    Attributes
    ----------
    dtype : str
        A NumPy type, or `TEXT`.
    per_class : bool
        Whether a row holds one value a class, so that the column is (N, C) and not (N,).
    """

    dtype: str
    per_class: bool = False


IMAGE_COLUMNS: Final[dict[str, Column]] = {
    "id": Column(TEXT),
    "image_path": Column(TEXT),
    "label_path": Column(TEXT),
    "height": Column("int32"),
    "width": Column("int32"),
    "status": Column(TEXT),
    "message": Column(TEXT),
    "valid_px": Column("int64"),
    "score": Column("float64"),
    "image_score": Column("float64"),
    "region_score": Column("float64"),
    "pixel_score": Column("float64"),
    "class_px": Column("int64", per_class=True),
    "class_score": Column("float64", per_class=True),
}
"""One row an image, sorted by ``id``."""

REGION_COLUMNS: Final[dict[str, Column]] = {
    "image": Column("int64"),
    "region": Column("int32"),
    "class_id": Column("int16"),
    "area_px": Column("int64"),
    "valid_px": Column("int64"),
    "top": Column("int32"),
    "left": Column("int32"),
    "bottom": Column("int32"),
    "right": Column("int32"),
    "score": Column("float64"),
}
"""One row a region, sorted by image and region; ``image`` is the row in the image table."""


MAP_DTYPES: Final = {PIXEL_SCORES: ("uint8",), REGION_IDS: ("uint16", "uint32")}
"""Groups of maps that every file has, and the types that they may have."""


def stream_column(stream: str) -> str:
    """Name the column of a stream, the same in both tables."""
    return f"{_STREAM_PREFIX}{stream}"


def stream_group(stream: str) -> str:
    """Name the group of the maps of a stream."""
    return f"{STREAM_SCORES}/{stream}"


def is_score(column: str) -> bool:
    """Tell whether a column holds scores."""
    return column == "score" or column.endswith("_score") or column.startswith(_STREAM_PREFIX)


@dataclass(frozen=True, slots=True)
class Schema:
    """What a score file holds.

    Attributes
    ----------
    streams : tuple of str
        Names of the streams; each is a column of both tables, NaN where the stream is silent.
    stream_maps : bool
        Whether there is a map of each stream, too, of each image that it is not silent about.
    """

    streams: tuple[str, ...] = ()
    stream_maps: bool = False

    @property
    def images(self) -> dict[str, Column]:
        """Return the columns of the image table."""
        return IMAGE_COLUMNS | self._stream_columns

    @property
    def regions(self) -> dict[str, Column]:
        """Return the columns of the region table."""
        return REGION_COLUMNS | self._stream_columns

    @property
    def stream_groups(self) -> dict[str, str]:
        """Return the stream of each group of maps of streams."""
        return {stream_group(name): name for name in self.streams if self.stream_maps}

    @property
    def map_dtypes(self) -> dict[str, tuple[str, ...]]:
        """Return the groups of maps, and the types that they may have."""
        return MAP_DTYPES | dict.fromkeys(self.stream_groups, MAP_DTYPES[PIXEL_SCORES])

    def columns(self, table: str) -> dict[str, Column]:
        """Return the columns of a table."""
        return self.images if table == IMAGES else self.regions

    def map_groups(self, levels: Collection[str]) -> list[str]:
        """List the groups of maps of a file with some levels."""
        by_level = {"pixel": [PIXEL_SCORES, *self.stream_groups], "region": [REGION_IDS]}
        return [group for level, groups in by_level.items() if level in levels for group in groups]

    @property
    def _stream_columns(self) -> dict[str, Column]:
        """Return the columns of the streams."""
        return {stream_column(name): Column("float64") for name in self.streams}


def map_shape(height: int, width: int, stride: int) -> tuple[int, int]:
    """Return the number of cells down and across; the last ones may reach beyond the image."""
    return -(-height // stride), -(-width // stride)
