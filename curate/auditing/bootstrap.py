"""Intervals by resampling whole images: pixels of one image are no independent samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from curate.seeding import stable_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray


def draw_resamples(num_images: int, *, count: int, seed: int) -> NDArray[np.float64]:
    """Draw how often each image occurs in each resample.

    Returns
    -------
    times : (1 + count, num_images) float64
        The first row is the sample itself, once each image; the others sum to `num_images`. One
        image says nothing of its spread: the first row is then the only one.
    """
    if num_images == 1:
        return np.ones((1, 1))
    even = np.full(num_images, 1 / num_images)
    drawn = stable_rng(seed, "bootstrap").multinomial(num_images, even, size=count)
    return np.concatenate([np.ones((1, num_images)), drawn])


def percentile_interval(values: NDArray[Any], *, coverage: float = 0.95) -> tuple[float, float]:
    """Cut the same share off both ends.

    Parameters
    ----------
    values : (count,) float
        The measure in each resample; NaN ones (a resample without bad pixels, say) are left out.

    Returns
    -------
    low, high : float
        NaN where no resample could be measured.

    Notes
    -----
    Efron's percentile bootstrap. With few images it is somewhat too narrow.
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)
