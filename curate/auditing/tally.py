"""The scores of one image beside the truth about its pixels, boiled down to counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.records import GRID_STRIDE, IGNORE_INDEX

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_SCORES: Final = 256
"""Pixel scores are counted in steps of 1/255; score files hold them no finer."""


@dataclass(frozen=True, slots=True)
class ImageTally:
    """What an audit keeps of one image.

    Attributes
    ----------
    good_px, bad_px : (4 + S, 256) int64
        Unspoiled and spoiled pixels by score, a row for each of `SCORE_NAMES` and for each of the
        run's S streams; 0 for a silent one.
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
    is_corrupted: NDArray[np.bool_],
    region_ids: NDArray[np.int64],
) -> ImageTally:
    """Count the pixels of one image.

    Parameters
    ----------
    maps : (4 + S, h, w) float32
        Scores in [0, 1], a map for each of `SCORE_NAMES` and of the streams, NaN for a silent one,
        on a grid of 4 pixels a cell.
    label_map, is_corrupted : (H, W) uint8, (H, W) bool
        255 = ignore: such pixels are in no count.
    region_ids : (h, w) int64
        0 .. R-1.
    """
    is_valid = label_map != IGNORE_INDEX
    good, bad = _count_px(is_valid & ~is_corrupted), _count_px(is_valid & is_corrupted)
    valid = good + bad
    steps = np.rint(np.nan_to_num(maps) * (NUM_SCORES - 1)).astype(np.int64)
    is_active = ~np.isnan(maps[:, :1, :1])[..., 0]  # a silent stream is NaN everywhere
    sums, good_sums, px = (
        np.bincount(region_ids.ravel(), weights=values.ravel())
        for values in (maps[0].astype(np.float64) * valid, good, valid)
    )
    is_known = px > 0
    return ImageTally(
        good_px=_count_steps(steps, good) * is_active,
        bad_px=_count_steps(steps, bad) * is_active,
        region_scores=sums[is_known] / px[is_known],
        region_shares=good_sums[is_known] / px[is_known],
        score=float(sums.sum() / px.sum()),
        share=float(good_sums.sum() / px.sum()),
    )


def _count_px(is_counted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the pixels of each cell, those at the lower and right border being cut off."""
    rows, columns = (np.arange(0, length, GRID_STRIDE) for length in is_counted.shape)
    by_row = np.add.reduceat(is_counted.astype(np.int64), rows, axis=0)
    return np.asarray(np.add.reduceat(by_row, columns, axis=1))


def _count_steps(steps: NDArray[np.int64], px: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add the pixels of each cell to the count of its score, map by map."""
    weights = px.ravel()
    rows = [np.bincount(row.ravel(), weights, minlength=NUM_SCORES) for row in steps]
    return np.stack(rows).astype(np.int64)
