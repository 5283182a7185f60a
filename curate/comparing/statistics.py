"""What paired trainings say: differences, their 95 % intervals, and how many draws would tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE: Final = 0.95
WANTED_POWER: Final = 0.8
MAX_DRAWS: Final = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over independent units, and its interval.

    Attributes
    ----------
    mean, low, high : float
        `low` and `high` are NaN where there is one unit only.
    num_units : int
    power : float
        Chance that as many new units would find a mean of this size to differ from 0; NaN where
        there is no interval.
    units_needed : int or None
        Units that would find it with a chance of .8; None where more than 1000 would be needed, or
        nothing can be told.
    """

    mean: float
    low: float
    high: float
    num_units: int
    power: float
    units_needed: int | None

    @property
    def is_above_zero(self) -> bool:
        """Whether the whole interval is."""
        return self.low > 0


def estimate(values: NDArray[np.float64]) -> Estimate:
    """Estimate the mean of what independent units measured.

    Parameters
    ----------
    values : (D, S) float64
        Of D draws of the real images, each trained from S seeds. Draws are independent; seeds
        of one draw are not, and are averaged. With one draw, its seeds are the units.

    Returns
    -------
    estimate : Estimate
        Interval of Student's t with one degree of freedom less than units.

    Notes
    -----
    ``mean +- t * s / sqrt(D)``. The power is that of the two-sided t test against 0 at 5 %, with
    noncentrality ``sqrt(D) * |mean| / s`` [1]_.

    References
    ----------
    .. [1] Cohen, "Statistical Power Analysis for the Behavioral Sciences", 2nd ed., 1988.

    Examples
    --------
    >>> found = estimate(np.array([[0.1, 0.3], [0.3, 0.5]]))  # two draws: .2 and .4
    >>> round(found.mean, 3), round(found.high - found.mean, 3)  # 12.706 * .1414 / sqrt(2)
    (0.3, 1.271)
    """
    units = values.mean(axis=1) if len(values) > 1 else values[0]
    count, mean = len(units), float(units.mean())
    if count < 2:
        return Estimate(mean, math.nan, math.nan, count, math.nan, None)
    spread = float(units.std(ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * spread / math.sqrt(count)
    return Estimate(
        mean, mean - half, mean + half, count, _power(mean, spread, count), _needed(mean, spread)
    )


def _power(mean: float, spread: float, count: int) -> float:
    """Chance that `count` units find a mean to differ from 0."""
    if spread == 0:
        return float(mean != 0)
    limit = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)
    shift = math.sqrt(count) * abs(mean) / spread
    with np.errstate(all="ignore"):
        missed = stats.nct.cdf(limit, count - 1, shift) - stats.nct.cdf(-limit, count - 1, shift)
    return float(np.clip(1 - np.nan_to_num(missed), 0, 1))


def _needed(mean: float, spread: float) -> int | None:
    """Fewest units that find a mean with the wanted chance."""
    low, high = 2, MAX_DRAWS
    if _power(mean, spread, high) < WANTED_POWER:
        return None
    while low < high:
        middle = (low + high) // 2
        is_enough = _power(mean, spread, middle) >= WANTED_POWER
        low, high = (low, middle) if is_enough else (middle + 1, high)
    return low
