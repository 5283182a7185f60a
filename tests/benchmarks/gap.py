"""Which share of the gap between two arms another one closes, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray


def closed_share(
    arm: NDArray[np.float64], floor: NDArray[np.float64], ceiling: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Ratio of mean paired differences, ``mean(arm - floor) / mean(ceiling - floor)``.

    It is the ratio of means and not the mean of ratios: at a single seed the gap may be next to
    nothing, and its ratio anything.

    Parameters
    ----------
    arm, floor, ceiling : (n,) float64
        A measure at the same n seeds.

    Returns
    -------
    share, low, high : float
        With the limits of its 95 % interval; infinite where the gap itself may be 0, NaN at one
        seed.

    Notes
    -----
    Fieller's interval for the ratio of two paired means (J. R. Stat. Soc. B 16, 1954, 175-185):
    all ratios x for which the mean of ``(arm - floor) - x (ceiling - floor)`` may be 0 by
    Student's t. With few seeds a bootstrap has too few resamples to be trusted.
    """
    gain, gap = arm - floor, ceiling - floor
    share = float(gain.mean() / gap.mean()) + 0.0  # never -0
    count = len(gain)
    if count < 2:
        return share, float("nan"), float("nan")
    t_squared = stats.t.ppf(0.975, count - 1) ** 2
    spread = np.cov(gain, gap) / count
    # (mean - x gap)^2 <= t^2 var(mean - x gap) is a x^2 - 2 b x + c <= 0
    a = gap.mean() ** 2 - t_squared * spread[1, 1]
    b = gain.mean() * gap.mean() - t_squared * spread[0, 1]
    c = gain.mean() ** 2 - t_squared * spread[0, 0]
    if a <= 0:
        return share, float("-inf"), float("inf")
    root = np.sqrt(max(0.0, b**2 - a * c))
    return share, float((b - root) / a), float((b + root) / a)


def describe_closed(
    arm: NDArray[np.float64], floor: NDArray[np.float64], ceiling: NDArray[np.float64]
) -> str:
    """Write the share and its interval in percent."""
    share, low, high = closed_share(arm, floor, ceiling)
    if np.isnan(low):
        return f"{share:.0%}"
    if np.isinf(low):
        return f"{share:.0%} [unknown: the gap may be 0]"
    return f"{share:.0%} [{low:.0%}, {high:.0%}]"
