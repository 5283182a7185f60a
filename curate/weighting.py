"""From scores to training weights: sharpened, bounded, mean 1 over the data set.

Scores of a data set are summarised by a histogram, so that the rule costs the same for a batch
and for a million images, and so that the mean is taken over the data set, never over one image.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np

from curate.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

NUM_BINS: Final = 256
"""Bins of a score histogram, one per value of the stored uint8 scores."""

SMALLEST_MEAN: Final = float(np.finfo(np.float32).tiny)
"""What the mean of powered scores is held above, so that 0 is divided by it in any precision."""


@dataclass(frozen=True, slots=True)
class WeightRule:
    """The map from a score s in [0, 1] to a training weight.

    ``w(s) = uniform + (1 - uniform) * min(s^power / mean_power, clip) / mean_clipped``

    Attributes
    ----------
    power : float
        Sharpening exponent; 0 gives weight 1 to everything.
    mean_power, mean_clipped : float
        Means over the data set that make the mean weight 1.
    clip, uniform : float
        Upper bound before the last normalisation; share of weight 1 that is mixed in.
    class_factors : tuple of float
        What scores of each class are multiplied by before; none: they are left as they are.
    """

    power: float = 0.0
    mean_power: float = 1.0
    mean_clipped: float = 1.0
    clip: float = 5.0
    uniform: float = 0.1
    class_factors: tuple[float, ...] = ()

    @overload
    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]: ...
    @overload
    def __call__(self, scores: Tensor) -> Tensor: ...
    def __call__(self, scores: Any) -> Any:
        """Weigh an array or tensor of scores of any shape."""
        bounded = (scores**self.power / self.mean_power).clip(max=self.clip)
        return self.uniform + (1 - self.uniform) * bounded / self.mean_clipped

    def rounded(self) -> WeightRule:
        """Return the rule to six digits: the same on processors that round differently."""
        numbers = ("power", "mean_power", "mean_clipped")
        short = {name: float(f"{getattr(self, name):.6g}") for name in numbers}
        factors = tuple(float(f"{factor:.6g}") for factor in self.class_factors)
        return replace(self, class_factors=factors, **short)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; ``largest`` is the highest weight that a score can have."""
        plain = asdict(self) | {"class_factors": list(self.class_factors)}
        return plain | {"largest": float(f"{self.tabulate().max():.6g}")}

    def tabulate(self) -> NDArray[np.float64]:
        """Weigh every stored score of every class.

        Returns
        -------
        weights : (C + 1, 256) float64
            The last row is of pixels without a class, the only one where there are no factors.
        """
        factors = np.array([*self.class_factors, 1.0])
        return self(factors[:, None] * np.linspace(0.0, 1.0, NUM_BINS))


def fit_weight_rule(
    mass: NDArray[np.floating] | NDArray[np.integer],
    scores: NDArray[np.floating] | None = None,
    *,
    min_ess: float = 0.4,
    max_power: float = 8.0,
    clip: float = 5.0,
    uniform: float = 0.1,
) -> WeightRule:
    """Choose the sharpest rule whose effective sample size is still large enough.

    Parameters
    ----------
    mass : (n,) float or int
        How often each score occurs in the data set: a histogram of n scores.
    scores : (n,) float, optional
        The scores in [0, 1]; ``0/(n-1), 1/(n-1), .. 1`` by default.
    min_ess : float
        Lower bound of ``(sum w)^2 / (n sum w^2)`` for ``w = s^power``, in (0, 1].
    max_power : float
        The power is the largest in [0, `max_power`] within the bound.
    clip : float
        Largest multiple of the mean that a single weight may have before mixing.
    uniform : float
        Share of uniform weight in the result, in [0, 1].

    Raises
    ------
    DataError
        If there is no mass.
    """
    masses: NDArray[np.float64] = np.asarray(mass, dtype=np.float64)
    total = masses.sum()
    if not np.isfinite(total) or total <= 0:
        msg = (
            f"A score histogram with a total mass of {total} cannot give weights: "
            "at least one scored pixel is required."
        )
        raise DataError(msg, code="no_scores")
    masses = masses / total
    if scores is None:
        scores = np.linspace(0.0, 1.0, len(masses))
    power = _largest_power(scores, masses, min_ess, max_power)
    powered = scores**power
    mean_power = max(float(masses @ powered), SMALLEST_MEAN)
    mean_clipped = float(masses @ np.minimum(powered / mean_power, clip))
    return WeightRule(power, mean_power, mean_clipped or 1.0, clip, uniform)


def _largest_power(
    scores: NDArray[np.floating], mass: NDArray[np.float64], min_ess: float, max_power: float
) -> float:
    """Bisect for the largest power within the bound; the ESS falls as the power grows."""

    def ess(power: float) -> float:
        powered = scores**power
        squares = float(mass @ powered**2)
        return float(mass @ powered) ** 2 / squares if squares > 0 else 1.0

    if ess(max_power) >= min_ess:
        return max_power
    low, high = 0.0, max_power
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if ess(middle) >= min_ess else (low, middle)
    return low
