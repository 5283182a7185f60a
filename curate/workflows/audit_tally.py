"""The scores of one image beside the truth about its pixels, boiled down to counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.records import GRID_STRIDE, IGNORE_INDEX
from curate.regions import count_cell_classes, weighted_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_SCORES: Final = 256
"""Pixel scores are counted in steps of 1/255, as score files hold them."""

SCORE_NAMES: Final = ("score", "image_score", "region_score", "pixel_score")
"""The combined score, and what each level's network says by itself; named as in score files."""


@dataclass(frozen=True, slots=True)
class ImageTally:
    """What an audit keeps of one image.

    Attributes
    ----------
    good_px, bad_px : (4, 256) int64
        Unspoiled and spoiled pixels by score, a row for each of `SCORE_NAMES`.
    region_scores, region_shares : (R,) float64
        Mean combined score, and share of unspoiled pixels, of each region with labelled pixels.
    score, share : float
        The same two of the whole image.
    """

    good_px: NDArray[np.int64]
    bad_px: NDArray[np.int64]
    region_scores: NDArray[np.float64]
    region_shares: NDArray[np.float64]
    score: float
    share: float


def tally_image(
    maps: NDArray[np.float32],
    label_map: NDArray[np.uint8],
    is_spoiled: NDArray[np.bool_],
    region_ids: NDArray[np.int64],
) -> ImageTally:
    """Count the pixels of one image.

    Parameters
    ----------
    maps : (4, h, w) float32
        Scores in [0, 1], a map for each of `SCORE_NAMES`, on a grid of 4 pixels a cell.
    label_map, is_spoiled : (H, W) uint8, (H, W) bool
        255 = ignore: such pixels are in no count.
    region_ids : (h, w) int64
        0 .. R-1.
    """
    state = np.where(label_map == IGNORE_INDEX, IGNORE_INDEX, is_spoiled).astype(np.uint8)
    counts = count_cell_classes(state, num_classes=2, stride=GRID_STRIDE)
    good, valid = counts[..., 0], counts.sum(axis=2)
    steps = np.rint(maps * (NUM_SCORES - 1)).astype(np.int64)
    num_regions = int(region_ids.max()) + 1
    region_scores = weighted_mean(maps[0].astype(np.float64), valid, region_ids, num_regions)
    shares = np.divide(good, valid, out=np.zeros(good.shape), where=valid > 0)
    region_shares = weighted_mean(shares, valid, region_ids, num_regions)
    is_known = ~np.isnan(region_scores)
    total = valid.sum()
    return ImageTally(
        good_px=_count_steps(steps, counts[..., 0]),
        bad_px=_count_steps(steps, counts[..., 1]),
        region_scores=region_scores[is_known],
        region_shares=region_shares[is_known],
        score=float((maps[0].astype(np.float64) * valid).sum() / total),
        share=float(good.sum() / total),
    )


def _count_steps(steps: NDArray[np.int64], px: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add the pixels of each cell to the count of its score, map by map."""
    weights = px.ravel()
    rows = [np.bincount(row.ravel(), weights, minlength=NUM_SCORES) for row in steps]
    return np.stack(rows).astype(np.int64)
