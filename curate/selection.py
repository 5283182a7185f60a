"""Which images, regions or pixels to keep: a share, a count, or everything above a threshold."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

NUM_LEVELS: Final = 256
"""Values that a stored pixel score can have."""

_NUMBER: Final = re.compile(r"(\d+(\.\d*)?|\.\d+)(e-?\d{1,2})?", re.ASCII)


def parse_share(value: str | float) -> float:
    """Read a share, ``30%`` or ``0.3``.

    Returns
    -------
    share : float
        In (0, 1].

    Raises
    ------
    UsageError
        If it is none. A bare ``30`` is refused with the two right spellings, and so is a bare
        ``1``, which could be 1 % or everything.

    Examples
    --------
    >>> parse_share("30%"), parse_share("0.3"), parse_share("100%")
    (0.3, 0.3, 1.0)
    """
    text = str(value).strip()
    number = text.removesuffix("%").strip()
    is_percent = text.endswith("%")
    if not _NUMBER.fullmatch(number):
        msg = f"'{text}' is no share: write it as 30% or as 0.3."
        raise UsageError(msg)
    share = float(Fraction(number) / 100 if is_percent else Fraction(number))
    if not is_percent and (share > 1 or number == "1"):
        msg = f"'{text}' is ambiguous as a share: write {_spellings(Fraction(number))}."
        raise UsageError(msg)
    if not 0 < share <= 1:
        msg = f"'{text}' is out of range: a share is above 0% and at most 100%, as 30% or 0.3."
        raise UsageError(msg)
    return share


@dataclass(frozen=True, slots=True)
class Cut:
    """How much to keep; see `make_cut`.

    Attributes
    ----------
    policy : str
        Key of `POLICIES`.
    value : float
        A share in (0, 1], a count from 1, or a score in [0, 1].
    """

    policy: str
    value: float

    def num_kept(self, total: int, num_at_least: Callable[[float], int]) -> int:
        """Return how many of the best to keep.

        Parameters
        ----------
        total : int
            How many have a score.
        num_at_least : callable
            Tells how many have a score of at least so much.
        """
        return POLICIES[self.policy](self.value, total, num_at_least)


def make_cut(
    *, top: str | float | None = None, count: int | None = None, threshold: float | None = None
) -> Cut:
    """Check that exactly one way of cutting is asked for, and that it makes sense.

    Parameters
    ----------
    top : str or float
        A share, as in `parse_share`.
    count : int
        From 1.
    threshold : float
        Smallest score to keep, in [0, 1].

    Raises
    ------
    UsageError
        If there is none, more than one, or its value is out of range.
    """
    given = {"top": top, "count": count, "threshold": threshold}
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        seen = " and ".join(f"--{name}" for name in names) or "none of them"
        msg = f"{seen} given: give exactly one of --top 30%, --count 500, --threshold 0.5."
        raise UsageError(msg)
    if top is not None:
        return Cut("top", parse_share(top))
    if count is not None:
        if count < 1:
            msg = f"--count {count} keeps nothing: give a whole number from 1."
            raise UsageError(msg)
        return Cut("count", count)
    if threshold is None or not 0 <= threshold <= 1:
        msg = f"--threshold {threshold} is no score: scores lie between 0 and 1."
        raise UsageError(msg)
    return Cut("threshold", threshold)


def keep_share(share: float, total: int, num_at_least: Callable[[float], int]) -> int:  # noqa: ARG001
    """Keep a share, rounded to the nearest count, halves up; at least one of any."""
    exact = Fraction(repr(float(share))) * total
    return min(total, max(1, math.floor(exact + Fraction(1, 2))))


def keep_count(count: float, total: int, num_at_least: Callable[[float], int]) -> int:  # noqa: ARG001
    """Keep so many, or all if there are fewer."""
    return min(total, int(count))


def keep_above(threshold: float, total: int, num_at_least: Callable[[float], int]) -> int:  # noqa: ARG001
    """Keep every score of at least the threshold."""
    return num_at_least(threshold)


POLICIES: Final[dict[str, Callable[[float, int, Callable[[float], int]], int]]] = {
    "top": keep_share,
    "count": keep_count,
    "threshold": keep_above,
}
"""Ways to cut: from value, number of scored ones and `num_at_least` to the number to keep."""


def rank(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """Rank the scores, best first.

    Parameters
    ----------
    scores : (N,) float
        NaN where not scored.

    Returns
    -------
    ranks : (N,) int64
        1 for the best; of equal scores the one further up comes first; 0 where not scored.

    Examples
    --------
    >>> rank(np.array([0.5, np.nan, 0.9, 0.5])).tolist()
    [2, 0, 1, 3]
    """
    order = np.argsort(-scores, kind="stable")  # NaN comes last
    ranks = np.zeros(len(scores), np.int64)
    num_scored = int(np.count_nonzero(~np.isnan(scores)))
    ranks[order[:num_scored]] = np.arange(1, num_scored + 1)
    return ranks


def select(scores: NDArray[np.floating], cut: Cut) -> NDArray[np.bool_]:
    """Choose the best; of equal scores the one further up; never one without a score.

    Parameters
    ----------
    scores : (N,) float
        NaN where not scored.

    Returns
    -------
    is_selected : (N,) bool

    Examples
    --------
    >>> select(np.array([0.5, np.nan, 0.9, 0.5]), make_cut(top="50%")).tolist()
    [True, False, True, False]
    """
    ranks = rank(scores)
    total = int(np.count_nonzero(ranks))
    num_kept = cut.num_kept(total, lambda least: int(np.count_nonzero(scores >= least)))
    return (ranks > 0) & (ranks <= num_kept)


@dataclass(frozen=True, slots=True)
class PixelCut:
    """Which pixels to keep: all above a level, and the first ones of it.

    Attributes
    ----------
    level : int
        Pixel score times 255; 256 keeps nothing.
    kept : (N,) int64
        Kept pixels of each image.
    at_level : (N,) int64
        How many of them are at the level itself: the first ones, row by row.
    """

    level: int
    kept: NDArray[np.int64]
    at_level: NDArray[np.int64]


def select_pixels(histograms: NDArray[np.integer], cut: Cut) -> PixelCut:
    """Choose the best pixels of all images together, to the very number.

    Of the pixels at the last level, those of the images further up are kept.

    Parameters
    ----------
    histograms : (N, 256) int
        Valid pixels of each image at each level.

    Examples
    --------
    Two images of 3 pixels; half of 6 are 3: the one at 200, and two of the three at 100.

    >>> levels = np.zeros((2, 256), int)
    >>> levels[0, 100], levels[1, [0, 100, 200]] = 2, (1, 1, 1)
    >>> levels[0, 0] = 1
    >>> result = select_pixels(levels, make_cut(top=0.5))
    >>> result.level, result.kept.tolist(), result.at_level.tolist()
    (100, [2, 1], [2, 0])
    """
    per_level = histograms.sum(axis=0, dtype=np.int64)
    at_least = np.append(per_level[::-1].cumsum()[::-1], 0)
    num_kept = cut.num_kept(
        int(at_least[0]), lambda score: int(at_least[math.ceil(score * (NUM_LEVELS - 1) - 1e-9)])
    )
    # The lowest level that is needed: the highest that has enough pixels at or above it.
    level = int(np.flatnonzero(at_least >= num_kept)[-1]) if num_kept else NUM_LEVELS
    above = histograms[:, level + 1 :].sum(axis=1, dtype=np.int64)
    if level == NUM_LEVELS:
        return PixelCut(level, above, np.zeros_like(above))
    here = histograms[:, level].astype(np.int64)
    before = here.cumsum() - here
    quota = num_kept - int(above.sum())
    at_level = np.clip(quota - before, 0, here)
    return PixelCut(level, above + at_level, at_level)


def keep_mask(
    levels: NDArray[np.uint8], is_valid: NDArray[np.bool_], level: int, at_level: int
) -> NDArray[np.bool_]:
    """Mark the kept pixels of one image.

    Parameters
    ----------
    levels : (H, W) uint8
        Score times 255 of each pixel.
    is_valid : (H, W) bool
        False for ignored pixels, which are never kept.
    level, at_level : int
        As in `PixelCut`.

    Returns
    -------
    keep : (H, W) bool
    """
    keep = is_valid & (levels > level)
    ties = np.flatnonzero(is_valid & (levels == level))
    keep.reshape(-1)[ties[:at_level]] = True
    return keep


def expand_cells(
    cells: NDArray[np.generic], height: int, width: int, stride: int
) -> NDArray[np.generic]:
    """Repeat each cell over its pixels: (ceil(H/s), ceil(W/s)) -> (H, W)."""
    return cells.repeat(stride, axis=0)[:height].repeat(stride, axis=1)[:, :width]


def _spellings(number: Fraction) -> str:
    """Spell the share that a bare number most likely stands for."""
    if number == 1:
        return "1% or 0.01 for one in a hundred, 100% or 1.0 for all"
    if number > 100:
        return "30% or 0.3; a number of images goes into --count"
    return f"{float(number):g}% or {float(number / 100):g}"
