"""How well scores rank sound above corrupted samples, from counts at each score, with intervals.

Counts stand in arrays (.., U), U scores in ascending order, so that one call measures many
bootstrap resamples, and samples of any number cost the memory of their U scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from curate.metrics import mid_ranks
from curate.seeding import stable_rng

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def counted_auroc(sound: NDArray[Any], corrupted: NDArray[Any]) -> NDArray[np.float64]:
    """Chance that a sound sample scores above a corrupted one, ties half.

    Parameters
    ----------
    sound, corrupted : (.., U) int or float
        Samples of each group at each score.

    Returns
    -------
    area : (..) float64
        In [0, 1]; NaN where one of the two groups is empty.

    Examples
    --------
    One sound sample above, one beside a corrupted one: (1 + 1/2) / 2.

    >>> float(counted_auroc(np.array([1, 1]), np.array([1, 0])))
    0.75
    """
    sound, corrupted = sound.astype(np.float64), corrupted.astype(np.float64)
    below = np.cumsum(corrupted, axis=-1) - corrupted / 2
    return _ratio((sound * below).sum(axis=-1), sound.sum(axis=-1) * corrupted.sum(axis=-1))


def counted_average_precision(sound: NDArray[Any], corrupted: NDArray[Any]) -> NDArray[np.float64]:
    """Mean precision of "keep what scores highest" over the sound samples; ties are kept together.

    Parameters
    ----------
    sound, corrupted : (.., U) int or float

    Returns
    -------
    precision : (..) float64
        In [0, 1]; scores without information reach the share of sound samples. NaN where one of the
        two groups is empty.

    Notes
    -----
    ``sum_u sound_u precision_u / sum_u sound_u``, the precision at a score being that of all
    samples that score as much or more.
    """
    sound, corrupted = sound.astype(np.float64), corrupted.astype(np.float64)
    kept_sound = np.cumsum(sound[..., ::-1], axis=-1)[..., ::-1]
    kept_corrupted = np.cumsum(corrupted[..., ::-1], axis=-1)[..., ::-1]
    kept = kept_sound + kept_corrupted
    precision = np.divide(kept_sound, kept, out=np.zeros_like(kept), where=kept > 0)
    mean = _ratio((sound * precision).sum(axis=-1), sound.sum(axis=-1))
    return np.where(corrupted.sum(axis=-1) > 0, mean, np.nan)


def counted_false_alarms(
    untouched: NDArray[Any], corrupted: NDArray[Any], *, found: float
) -> NDArray[np.float64]:
    """Share of untouched samples lost where a threshold finds a share of the corrupted ones.

    Parameters
    ----------
    untouched, corrupted : (.., U) int or float
    found : float
        Share of the corrupted samples that the threshold is to find, in (0, 1].

    Returns
    -------
    share : (..) float64
        Untouched samples at or below the lowest score at or below which lies the share `found` of
        the corrupted ones. NaN where one of the two groups is empty.
    """
    untouched, corrupted = untouched.astype(np.float64), corrupted.astype(np.float64)
    is_enough = np.cumsum(corrupted, axis=-1) >= found * corrupted.sum(axis=-1, keepdims=True)
    threshold = is_enough.argmax(axis=-1)[..., None]
    lost = np.take_along_axis(np.cumsum(untouched, axis=-1), threshold, axis=-1)[..., 0]
    has_corrupted = corrupted.sum(axis=-1) > 0
    return np.where(has_corrupted, _ratio(lost, untouched.sum(axis=-1)), np.nan)


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Rank correlation of two measurements of the same samples, ties sharing their mean rank.

    Returns
    -------
    correlation : float
        In [-1, 1]; NaN for fewer than two samples or where one of the two is constant.
    """
    ranks = [mid_ranks(np.asarray(values, np.float64)) for values in (first, second)]
    x, y = (r - r.mean() if r.size else r for r in ranks)
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / scale if scale > 0 else float("nan")


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> NDArray[np.float64]:
    """Divide; NaN where the denominator is 0."""
    ratio: NDArray[np.float64] = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio


def draw_resamples(num_images: int, *, count: int, seed: int) -> NDArray[np.float64]:
    """Draw how often each image occurs in each resample.

    Whole images are resampled: pixels of one image are no independent samples.

    Returns
    -------
    times : (1 + count, num_images) float64
        The first row is the sample itself, once each image; the others sum to `num_images`. Of
        one image there is no spread: the first row is then the only one.
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
        The measure in each resample; NaN ones are left out (a resample without corrupted pixels,
        say).

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
