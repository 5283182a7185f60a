"""The score file, every name and type of it written once.

See `curate.store.scorefile.ScoreFile` for how to read one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

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

PIXEL_SCALE: Final = 1 / 255
"""Score per unit of a stored pixel score."""

SHARD_BYTES: Final = 20_000_000_000
"""Largest size of one file of a folder of shards."""

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


def map_shape(height: int, width: int, stride: int) -> tuple[int, int]:
    """Return the number of cells down and across; the last ones may reach beyond the image."""
    return -(-height // stride), -(-width // stride)
