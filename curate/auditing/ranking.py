"""How well scores rank good above bad, from counts of both at each score; numpy only.

Counts stand in arrays (.., U), U scores in ascending order, so that one call measures many
bootstrap resamples, and samples of any number cost the memory of their U scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def counted_auroc(good: NDArray[Any], bad: NDArray[Any]) -> NDArray[np.float64]:
    """Chance that a good sample scores above a bad one, ties half.

    Parameters
    ----------
    good, bad : (.., U) int or float
        Samples of each group at each score.

    Returns
    -------
    area : (..) float64
        In [0, 1]; NaN where one of the two groups is empty.

    Examples
    --------
    One good sample above, one beside a bad one: (1 + 1/2) / 2.

    >>> float(counted_auroc(np.array([1, 1]), np.array([1, 0])))
    0.75
    """
    good, bad = good.astype(np.float64), bad.astype(np.float64)
    below = np.cumsum(bad, axis=-1) - bad / 2
    return _ratio((good * below).sum(axis=-1), good.sum(axis=-1) * bad.sum(axis=-1))


def counted_average_precision(good: NDArray[Any], bad: NDArray[Any]) -> NDArray[np.float64]:
    """Mean precision of "keep what scores highest" over the good samples; ties are kept together.

    Parameters
    ----------
    good, bad : (.., U) int or float

    Returns
    -------
    precision : (..) float64
        In [0, 1]; scores that know nothing reach the share of good samples. NaN where one of the
        two groups is empty.

    Notes
    -----
    ``sum_u good_u precision_u / sum_u good_u``, the precision at a score being that of all
    samples that score as much or more.
    """
    good, bad = good.astype(np.float64), bad.astype(np.float64)
    kept_good = np.cumsum(good[..., ::-1], axis=-1)[..., ::-1]
    kept_bad = np.cumsum(bad[..., ::-1], axis=-1)[..., ::-1]
    kept = kept_good + kept_bad
    precision = np.divide(kept_good, kept, out=np.zeros_like(kept), where=kept > 0)
    mean = _ratio((good * precision).sum(axis=-1), good.sum(axis=-1))
    return np.where(bad.sum(axis=-1) > 0, mean, np.nan)


def counted_false_alarms(
    untouched: NDArray[Any], bad: NDArray[Any], *, found: float
) -> NDArray[np.float64]:
    """Share of untouched samples that are lost where a threshold finds a share of the bad ones.

    Parameters
    ----------
    untouched, bad : (.., U) int or float
    found : float
        Share of the bad samples that the threshold is to find, in (0, 1].

    Returns
    -------
    share : (..) float64
        Untouched samples at or below the lowest score at or below which lies the share `found` of
        the bad ones. NaN where one of the two groups is empty.
    """
    untouched, bad = untouched.astype(np.float64), bad.astype(np.float64)
    is_enough = np.cumsum(bad, axis=-1) >= found * bad.sum(axis=-1, keepdims=True)
    threshold = is_enough.argmax(axis=-1)[..., None]
    lost = np.take_along_axis(np.cumsum(untouched, axis=-1), threshold, axis=-1)[..., 0]
    has_bad = bad.sum(axis=-1) > 0
    return np.where(has_bad, _ratio(lost, untouched.sum(axis=-1)), np.nan)


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Rank correlation of two measurements of the same samples, ties sharing their mean rank.

    Returns
    -------
    correlation : float
        In [-1, 1]; NaN for fewer than two samples or where one of the two is constant.
    """
    ranks = [_mid_ranks(np.asarray(values, np.float64)) for values in (first, second)]
    x, y = (r - r.mean() if r.size else r for r in ranks)
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / scale if scale > 0 else float("nan")


def _mid_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank of each value, 1 .. n, equal ones sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> NDArray[np.float64]:
    """Divide; NaN where the denominator is 0."""
    ratio: NDArray[np.float64] = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio
