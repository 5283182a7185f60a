"""Scored images of a few pixels, and a writer for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from curate.records import OK, Pair
from curate.scores.columns import RegionTable, ScoredImage
from curate.scores.packing import pack
from curate.scores.writer import ScoreWriter

if TYPE_CHECKING:
    from pathlib import Path

NUM_CLASSES = 2
PROVENANCE: dict[str, Any] = {
    "run": "r",
    "dataset": {"layout": "folder", "fingerprint": "f"},
    "classes": {"name": "custom", "names": ["a", "b"]},
    "levels": ["image", "region", "pixel"],
    "stride": 2,
    "seed": 0,
    "weight_rule": {"largest": 2.0},
}


STREAM_PROVENANCE = PROVENANCE | {"streams": ["corruption", "appearance"], "stream_maps": True}


def scored_image(
    image_id: str,
    score: float = 0.5,
    *,
    size: tuple[int, int] = (3, 4),
    streams: dict[str, float] | None = None,
) -> ScoredImage:
    """Two regions, left and right, of 2x1 cells each; `score` goes into every number.

    Weights are twice the scores. A stream whose score is NaN is inactive.
    """
    own = streams or {}
    height, width = size
    rows, columns = -(-height // 2), -(-width // 2)
    region_ids = np.zeros((rows, columns), np.uint16)
    region_ids[:, columns // 2 :] = 1
    middle = 2 * (columns // 2)
    area = np.array([height * middle, height * (width - middle)])
    return ScoredImage(
        pair=Pair(image_id, f"images/{image_id}.png", f"labels/{image_id}.png"),
        height=height,
        width=width,
        status=OK,
        message="",
        valid_px=height * width,
        means={
            "score": score,
            "image_score": score / 2,
            "region_score": score / 4,
            "pixel_score": score / 8,
            "weight": 2 * score,
            "image_weight": score,
            "region_weight": score / 2,
            "pixel_weight": score / 4,
        },
        class_px=np.array([height * width, 0]),
        class_score=np.array([score, np.nan]),
        pixel_scores=pack(np.full((rows, columns), round(score * 255), np.uint8)),
        pixel_weights=pack(np.full((rows, columns), round(score * 255), np.uint8)),
        region_ids=pack(region_ids),
        regions=RegionTable(
            class_id=np.array([0, 1], np.int16),
            area_px=area,
            valid_px=area,
            top=np.zeros(2, np.int32),
            left=np.array([0, middle], np.int32),
            bottom=np.full(2, height, np.int32),
            right=np.array([middle, width], np.int32),
            score=np.array([score, 1 - score]),
            weight=2 * np.array([score, 1 - score]),
            streams={name: np.array([value, 1 - value]) for name, value in own.items()},
        ),
        streams=own,
        stream_scores={
            name: pack(np.full((rows, columns), round(value * 255), np.uint8))
            for name, value in own.items()
            if not np.isnan(value)
        },
    )


def failed_image(image_id: str, status: str = "unreadable_image") -> ScoredImage:
    """An image that could not be read."""
    return ScoredImage(
        pair=Pair(image_id, f"images/{image_id}.png", f"labels/{image_id}.png"),
        height=0,
        width=0,
        status=status,
        message="cannot be \0 read",
        valid_px=0,
        means={},
        class_px=np.zeros(NUM_CLASSES, np.int64),
        class_score=np.full(NUM_CLASSES, np.nan),
    )


def open_writer(out: Path, provenance: dict[str, Any] = PROVENANCE, **options: Any) -> ScoreWriter:
    """Open a writer with the settings of `scored_image`."""
    return ScoreWriter(out, provenance, **{"dataset_root": out.parent} | options)


def write_scores(out: Path, images: list[ScoredImage], **options: Any) -> Path:
    """Write a whole score file, two images a piece."""
    with open_writer(out, **options) as writer:
        for start in range(0, len(images), 2):
            writer.append(images[start : start + 2])
        writer.finish()
    return out


def assert_near(found: Any, expected: Any) -> None:
    """Compare scores that are stored as float32."""
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)
