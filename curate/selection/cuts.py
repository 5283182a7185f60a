"""Which images, regions or pixels to keep: a share, a count, or everything above a threshold."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        A share in (0, 1], a count from 1, a score in [0, 1], or a number of pixels from 1.
    """

    policy: str
    value: float

    def num_kept(
        self,
        total: int,
        num_at_least: Callable[[float], int],
        num_reaching: Callable[[float], int] = math.ceil,
    ) -> int:
        """Return how many of the best to keep.

        Parameters
        ----------
        total : int
            How many have a score.
        num_at_least : callable
            Tells how many have a score of at least so much.
        num_reaching : callable
            Tells how many of the best have so many pixels together, more than `total` if all of
            them have fewer; by default each has one pixel.
        """
        return POLICIES[self.policy](self.value, total, num_at_least, num_reaching)


def make_cut(
    *,
    top: str | float | None = None,
    count: int | None = None,
    threshold: float | None = None,
    pixels: int | None = None,
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
    pixels : int
        Valid pixels to reach, from 1.

    Raises
    ------
    UsageError
        If there is none, more than one, or its value is out of range.
    """
    given = {"top": top, "count": count, "threshold": threshold, "pixels": pixels}
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        seen = " and ".join(f"--{name}" for name in names) or "none of them"
        msg = (
            f"{seen} given: give exactly one of --top 30%, --count 500, --threshold 0.5, "
            "--pixels 1000000."
        )
        raise UsageError(msg)
    if top is not None:
        return Cut("top", parse_share(top))
    for name, number in (("count", count), ("pixels", pixels)):
        if number is not None:
            if number < 1:
                msg = f"--{name} {number} keeps nothing: give a whole number from 1."
                raise UsageError(msg)
            return Cut(name, number)
    if threshold is None or not 0 <= threshold <= 1:
        msg = f"--threshold {threshold} is no score: scores lie between 0 and 1."
        raise UsageError(msg)
    return Cut("threshold", threshold)


Counter = Callable[[float], int]


def keep_share(share: float, total: int, num_at_least: Counter, num_reaching: Counter) -> int:  # noqa: ARG001
    """Keep a share, rounded to the nearest count, halves up; at least one of any."""
    exact = Fraction(repr(float(share))) * total
    return min(total, max(1, math.floor(exact + Fraction(1, 2))))


def keep_count(count: float, total: int, num_at_least: Counter, num_reaching: Counter) -> int:  # noqa: ARG001
    """Keep so many, or all if there are fewer."""
    return min(total, int(count))


def keep_above(threshold: float, total: int, num_at_least: Counter, num_reaching: Counter) -> int:  # noqa: ARG001
    """Keep every score of at least the threshold."""
    return num_at_least(threshold)


def keep_pixels(pixels: float, total: int, num_at_least: Counter, num_reaching: Counter) -> int:  # noqa: ARG001
    """Keep the best until so many pixels are reached, or all if there are fewer."""
    return min(total, num_reaching(pixels))


POLICIES: Final[dict[str, Callable[[float, int, Counter, Counter], int]]] = {
    "top": keep_share,
    "count": keep_count,
    "threshold": keep_above,
    "pixels": keep_pixels,
}
"""Ways to cut: from value, number of scored ones, `num_at_least` and `num_reaching` to how many."""


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
    order = order_of(scores)
    ranks = np.zeros(len(scores), np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks


def order_of(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """List the rows that have a score, best first, of equal ones the one further up first.

    Examples
    --------
    >>> order_of(np.array([0.5, np.nan, 0.9, 0.5])).tolist()
    [2, 0, 3]
    """
    num_scored = int(np.count_nonzero(~np.isnan(scores)))
    return np.argsort(-scores, kind="stable")[:num_scored]  # NaN comes last


def select(
    scores: NDArray[np.floating], cut: Cut, px: NDArray[np.int64] | None = None
) -> NDArray[np.bool_]:
    """Choose the best; of equal scores the one further up; never one without a score.

    Parameters
    ----------
    scores : (N,) float
        NaN where not scored.
    px : (N,) int64, optional
        Valid pixels of each, for a cut by pixels; one each by default.

    Returns
    -------
    is_selected : (N,) bool

    Examples
    --------
    >>> select(np.array([0.5, np.nan, 0.9, 0.5]), make_cut(top="50%")).tolist()
    [True, False, True, False]

    12 pixels are reached with the best and the one after it.

    >>> px = np.array([5, 8, 9, 7])
    >>> select(np.array([0.5, np.nan, 0.9, 0.5]), make_cut(pixels=12), px).tolist()
    [True, False, True, False]
    """
    total = len(scores) - int(np.count_nonzero(np.isnan(scores)))

    def num_at_least(least: float) -> int:
        return int(np.count_nonzero(scores >= least))

    def num_reaching(pixels: float) -> int:
        if px is None:
            return math.ceil(pixels)
        best_first = np.argsort(-scores, kind="stable")[:total]
        return int(np.searchsorted(px[best_first].cumsum(), pixels)) + 1

    return _mark_best(scores, total, cut.num_kept(total, num_at_least, num_reaching))


def select_per_class(
    scores: NDArray[np.floating],
    class_id: NDArray[np.integer],
    cut: Cut,
    px: NDArray[np.int64] | None = None,
) -> NDArray[np.bool_]:
    """Choose the best of each class; see `select`.

    Parameters
    ----------
    class_id : (N,) int
        Class of each.

    Examples
    --------
    >>> scores, class_id = np.array([0.1, 0.9, 0.2, 0.8]), np.array([0, 1, 0, 1])
    >>> select_per_class(scores, class_id, make_cut(top="50%")).tolist()
    [False, True, True, False]
    """
    is_selected = np.zeros(len(scores), np.bool_)
    by_class = np.argsort(class_id, kind="stable")
    borders = np.flatnonzero(np.diff(class_id[by_class])) + 1
    for rows in np.split(by_class, borders):
        is_selected[rows] = select(scores[rows], cut, None if px is None else px[rows])
    return is_selected


def _mark_best(scores: NDArray[np.floating], total: int, num_kept: int) -> NDArray[np.bool_]:
    """Mark so many of the `total` that have a score."""
    if not num_kept:
        return np.zeros(len(scores), np.bool_)
    # NaN is sorted to the end, behind the scores.
    last = np.partition(scores, total - num_kept)[total - num_kept]
    is_selected = np.asarray(scores > last)
    ties = np.flatnonzero(scores == last)
    is_selected[ties[: num_kept - int(np.count_nonzero(is_selected))]] = True
    return is_selected


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
