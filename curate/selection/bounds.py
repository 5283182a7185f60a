"""Least and most of each class: floors that a cut has to reach, quotas that it must not exceed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from curate import errors
from curate.selection import cuts, pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from curate.selection.settings import ExportSettings

NO_CLASS: Final = -1


class Bounds(NamedTuple):
    """Pixels of each class.

    Attributes
    ----------
    floors, quotas : (C,) float64
        Least and most; 0 and infinity where there is none.
    """

    floors: NDArray[np.float64]
    quotas: NDArray[np.float64]


class Bounded(NamedTuple):
    """What was chosen of U units.

    Attributes
    ----------
    is_selected : (U,) bool
    floor_of : (U,) int64
        Class for whose floor a unit was taken before its turn, else `NO_CLASS`.
    is_over : (U,) bool
        Units that were passed over because a class has its quota.
    """

    is_selected: NDArray[np.bool_]
    floor_of: NDArray[np.int64]
    is_over: NDArray[np.bool_]


def parse_bounds(texts: Sequence[str], option: str) -> dict[str, float]:
    """Read shares of classes.

    Examples
    --------
    >>> parse_bounds(["sign=40%", "pole=0.5"], "--floor")
    {'sign': 0.4, 'pole': 0.5}
    """
    shares: dict[str, float] = {}
    for text in texts:
        name, sign, share = text.rpartition("=")
        if not sign or not name:
            msg = f"{option} {text} names no class: write it as {option} sign=40%."
            raise errors.UsageError(msg)
        if name in shares:
            msg = f"{option} names class '{name}' twice: give one of them."
            raise errors.UsageError(msg)
        shares[name] = cuts.parse_share(share)
    return shares


def find_bounds(
    settings: ExportSettings, names: Sequence[str], class_px: NDArray[np.int64]
) -> Bounds | None:
    """Turn shares into pixels; None where nothing is bounded.

    Parameters
    ----------
    names : sequence of C str
    class_px : (C,) int64
        Pixels that there are of each class.

    Raises
    ------
    UsageError
        If a class is unknown, or its floor lies above its quota.
    """
    if not settings.is_bounded:
        return None
    least = settings.min_class_share
    floors = np.full(len(names), 0.0 if least is None else cuts.parse_share(least))
    quotas = np.full(len(names), np.inf)
    given = {"--floor": (settings.floors, floors), "--quota": (settings.quotas, quotas)}
    for option, (texts, shares) in given.items():
        for name, share in parse_bounds(texts, option).items():
            if name not in names:
                hint = errors.did_you_mean(name, names, cutoff=0.5)
                msg = f"{option} {name}: there is no such class. {hint or ', '.join(names)}"
                raise errors.UsageError(msg)
            shares[list(names).index(name)] = share
    wrong = np.flatnonzero(floors > quotas)
    if len(wrong):
        name = names[wrong[0]]
        msg = (
            f"class '{name}' is to keep at least {floors[wrong[0]]:.1%} and at most "
            f"{quotas[wrong[0]]:.1%} of its pixels: lower the floor or raise the quota."
        )
        raise errors.UsageError(msg)
    return Bounds(floors * class_px, quotas * np.maximum(class_px, 1))


def select_units(
    keys: NDArray[np.floating],
    cut: cuts.Cut,
    px: NDArray[np.int64],
    class_px: NDArray[np.integer],
    bounds: Bounds,
) -> Bounded:
    """Choose units, images or regions, of which each may show several classes.

    Class by class, the rarest first, the best units that show it are taken until its floor is
    reached; then the best of the others, but for those with which a class would exceed its quota,
    until as much is kept as the cut asks for. Floors go before quotas and before the cut.

    Parameters
    ----------
    keys : (U,) float
        What ranks, NaN where a unit cannot be chosen.
    px : (U,) int64
        Valid pixels of each.
    class_px : (U, C) int64
        Those of each class.
    """
    order = cuts.order_of(keys)
    floor_of = _reach_floors(order, list(class_px.T), bounds, len(keys))
    is_over = np.zeros(len(keys), np.bool_)
    if np.isfinite(bounds.quotas).any():
        used = class_px[floor_of != NO_CLASS].sum(axis=0)
        left = _Left(keys, cut, px, floor_of != NO_CLASS)
        for unit in order[floor_of[order] == NO_CLASS].tolist():
            if not left.wants(unit):
                break
            row = class_px[unit]
            is_over[unit] = bool(((used + row > bounds.quotas) & (row > 0)).any())
            if not is_over[unit]:
                used = used + row
                left.take(unit)
    return _fill(keys, cut, px, order, floor_of, is_over)


def bound_counts(histogram: NDArray[np.int64], cut: cuts.Cut, bounds: Bounds) -> list[int]:
    """Say how many of the best pixels to keep of each class, to the very number in all.

    Parameters
    ----------
    histogram : (C, 256) int64
        Pixels of each class by level, as `pixels.count_levels` has it.

    Examples
    --------
    Half of 8 pixels are kept, but at least one of the two of the second class.

    >>> histogram = np.zeros((2, 256), int)
    >>> histogram[0, 200], histogram[1, 100] = 6, 2
    >>> limits = Bounds(np.array([0, 1]), np.full(2, np.inf))
    >>> bound_counts(histogram, cuts.make_cut(top=0.5), limits)
    [3, 1]
    """
    totals = histogram.sum(axis=1)
    floors = np.minimum(np.ceil(bounds.floors), totals).astype(np.int64)
    quotas = np.maximum(floors, np.minimum(np.floor(bounds.quotas), totals)).astype(np.int64)
    if cut.policy == "threshold":
        level = math.ceil(cut.value * (pixels.NUM_LEVELS - 1) - 1e-9)
        above = histogram[:, level:].sum(axis=1)
        return [int(each) for each in np.clip(above, floors, quotas)]
    budget = cut.num_kept(int(totals.sum()), lambda _: 0)
    counts = np.zeros(len(totals), np.int64)
    is_free = np.ones(len(totals), np.bool_)
    while is_free.any():
        rest = max(0, budget - int(counts[~is_free].sum()))
        counts[is_free] = _share_out(histogram[is_free], rest)
        for broken, bound in ((counts < floors, floors), (counts > quotas, quotas)):
            if (found := broken & is_free).any():
                counts[found], is_free[found] = bound[found], False
                break
        else:
            break
    return [int(each) for each in counts]


class _Left:
    """How much of a cut is left while units are taken one by one."""

    def __init__(
        self,
        keys: NDArray[np.floating],
        cut: cuts.Cut,
        px: NDArray[np.int64],
        is_taken: NDArray[np.bool_],
    ) -> None:
        self._keys, self._cut, self._px = keys, cut, px
        self._count, self._total = int(is_taken.sum()), int(px[is_taken].sum())
        self._most = _count_kept(keys, cut)

    def wants(self, unit: int) -> bool:
        """Tell whether one more is to be taken, the next best being `unit`."""
        if self._cut.policy == "threshold":
            return bool(self._keys[unit] >= self._cut.value)
        if self._cut.policy == "pixels":
            return self._total < self._cut.value
        return self._count < self._most

    def take(self, unit: int) -> None:
        """Count a unit."""
        self._count += 1
        self._total += int(self._px[unit])


def _reach_floors(
    order: NDArray[np.int64], columns: Sequence[NDArray[np.integer]], bounds: Bounds, num: int
) -> NDArray[np.int64]:
    """Take the best units of each class until it has its floor; the rarest class first."""
    floor_of = np.full(num, NO_CLASS, np.int64)
    sizes = [int(column[order].sum()) for column in columns]
    for index in sorted(range(len(sizes)), key=sizes.__getitem__):
        column = columns[index]
        have = int(column[floor_of != NO_CLASS].sum())
        need = min(math.ceil(bounds.floors[index]), sizes[index]) - have
        if need <= 0:
            continue
        free = order[(floor_of[order] == NO_CLASS) & (column[order] > 0)]
        taken = int(np.searchsorted(column[free].cumsum(), need)) + 1
        floor_of[free[:taken]] = index
    return floor_of


def _fill(
    keys: NDArray[np.floating],
    cut: cuts.Cut,
    px: NDArray[np.int64],
    order: NDArray[np.int64],
    floor_of: NDArray[np.int64],
    is_over: NDArray[np.bool_],
) -> Bounded:
    """Take the best of what is left until as much is kept as the cut asks for."""
    is_selected = floor_of != NO_CLASS
    free = order[~is_selected[order] & ~is_over[order]]
    if cut.policy == "threshold":
        taken = int(np.count_nonzero(keys[free] >= cut.value))
    elif cut.policy == "pixels":
        need = cut.value - px[is_selected].sum()
        taken = int(np.searchsorted(px[free].cumsum(), need)) + 1 if need > 0 else 0
    else:
        taken = max(0, _count_kept(keys, cut) - int(is_selected.sum()))
    is_selected[free[:taken]] = True
    return Bounded(is_selected, floor_of, is_over & ~is_selected)


def _count_kept(keys: NDArray[np.floating], cut: cuts.Cut) -> int:
    """Say how many units a share or a count keeps."""
    total = int(np.count_nonzero(~np.isnan(keys)))
    return cut.num_kept(total, lambda least: int(np.count_nonzero(keys >= least)))


def _share_out(histogram: NDArray[np.int64], num: int) -> NDArray[np.int64]:
    """Say how many of the best `num` pixels are of each class; of equal ones, by their numbers."""
    at_least = histogram.sum(axis=0)[::-1].cumsum()[::-1]
    if num <= 0 or not len(at_least) or not at_least[0]:
        return np.zeros(len(histogram), np.int64)
    num = min(num, int(at_least[0]))
    level = int(np.flatnonzero(at_least >= num)[-1])
    counts = histogram[:, level + 1 :].sum(axis=1)
    ties, rest = histogram[:, level], num - int(counts.sum())
    ends = ties.cumsum() * rest // max(int(ties.sum()), 1)
    return np.asarray(counts + np.diff(ends, prepend=0))
