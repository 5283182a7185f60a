"""What is kept of each class at every cut: tables that the page looks up as its slider moves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate.selection import cuts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.showing.histograms import Tallies
    from curate.showing.scored_sets import ScoredSets

NUM_STEPS: Final = 400
"""Cuts of the slider: every quarter of a percent."""
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class KeptTable:
    """What is kept at each share from 0 to 1, in `NUM_STEPS` steps.

    Attributes
    ----------
    unit : str
        ``image``, ``region`` or ``pixel``.
    rank_by : str
        ``score`` or ``weight``.
    total : int
        Units that can be kept.
    num_kept : (401,) int
    thresholds : (401,) float
        Lowest value that is kept; NaN where nothing is.
    class_px, set_px : (C,) and (S,) int
        Pixels of each class and set: of the labels, or what `tabulate_units` was given.
    class_kept, set_kept : (401, C) and (401, S) float
        Shares of them that are kept, in [0, 1].
    """

    unit: str
    rank_by: str
    total: int
    num_kept: NDArray[Any]
    thresholds: NDArray[Any]
    class_px: NDArray[Any]
    set_px: NDArray[Any]
    class_kept: NDArray[Any]
    set_kept: NDArray[Any]

    def to_json(self) -> dict[str, Any]:
        """Return plain values; None stands for NaN."""
        return {
            "unit": self.unit,
            "rankBy": self.rank_by,
            "total": self.total,
            "kept": self.num_kept.tolist(),
            "thresholds": [None if np.isnan(t) else round(float(t), 4) for t in self.thresholds],
            "classPx": self.class_px.tolist(),
            "setPx": self.set_px.tolist(),
            "classKept": self.class_kept.round(_DIGITS).T.tolist(),
            "setKept": self.set_kept.round(_DIGITS).T.tolist(),
        }


def tabulate_kept(sets: ScoredSets, tallies: Tallies | None) -> list[KeptTable]:
    """Make the tables of all units and both rankings that the score files have.

    Pixels of classes and sets are those of the labels, as an export counts them. Shares of them by
    region and pixel are estimates: a region counts as the class that is commonest in it.
    """
    tables = []
    is_ok, class_px = sets.is_ok, sets.column("class_px")
    set_px = np.eye(len(sets.sources), dtype=np.int64)[sets.set_of] * class_px.sum(1)[:, None]
    for rank_by in ("score", "weight"):
        values = np.where(is_ok, sets.column(rank_by), np.nan)
        tables.append(tabulate_units("image", rank_by, values, class_px, set_px))
    if "region" in sets.about.levels:
        image, class_id = sets.region_column("image"), sets.region_column("class_id")
        px = np.where(class_id < len(sets.classes), sets.region_column("valid_px"), 0)
        for rank_by in ("score", "weight"):
            values = np.where(is_ok[image], sets.region_column(rank_by), np.nan)
            by_class = Grouped(px, class_id, len(sets.classes))
            by_set = Grouped(px, sets.set_of[image], len(sets.sources))
            tables.append(tabulate_units("region", rank_by, values, by_class, by_set))
    if tallies is not None:
        tables += [
            tabulate_levels("score", tallies.scores, 1.0),
            tabulate_levels("weight", tallies.weights, tallies.largest_weight),
        ]
    totals = class_px[is_ok].sum(0), set_px[is_ok].sum(0)
    return [count_in_labels(table, *totals) for table in tables if table.total]


def count_in_labels(table: KeptTable, class_px: NDArray[Any], set_px: NDArray[Any]) -> KeptTable:
    """Apply the shares of a table to pixels counted in the labels, (C,) and (S,).

    A class that is the commonest of no region has the share of all classes together.
    """
    of_all = table.class_kept @ table.class_px / max(int(table.class_px.sum()), 1)
    is_known = (table.class_px > 0) | (class_px == 0)
    class_kept = np.where(is_known, table.class_kept, of_all[:, None])
    return replace(table, class_px=class_px, set_px=set_px, class_kept=class_kept)


@dataclass(frozen=True, slots=True)
class Grouped:
    """Pixels of units that belong to one group each: of regions, which have one class.

    Attributes
    ----------
    px, group : (n,) int
        A group beyond the last one belongs to none.
    num_groups : int
    """

    px: NDArray[Any]
    group: NDArray[Any]
    num_groups: int

    def sum_by(self, step: NDArray[np.int64], num_steps: int) -> NDArray[np.float64]:
        """Sum the pixels by step and group, (num_steps, G)."""
        is_in = (self.group >= 0) & (self.group < self.num_groups)
        joint = step[is_in] * self.num_groups + self.group[is_in]
        sums = np.bincount(joint, self.px[is_in], minlength=num_steps * self.num_groups)
        return sums.reshape(num_steps, self.num_groups).astype(np.float64)


def tabulate_units(
    unit: str,
    rank_by: str,
    values: NDArray[Any],
    class_px: NDArray[Any] | Grouped,
    set_px: NDArray[Any] | Grouped,
) -> KeptTable:
    """Make the table of images or regions.

    Parameters
    ----------
    values : (n,) float
        What ranks; NaN cannot be kept, and its pixels do not count.
    class_px, set_px : (n, C) and (n, S) int, or Grouped
        Pixels of each unit.
    """
    ranks = cuts.rank(values)
    total = int((ranks > 0).sum())
    num_kept = np.array([0, *(_num_kept(step, total) for step in range(1, NUM_STEPS + 1))])
    step = np.searchsorted(num_kept, np.maximum(ranks, 1))  # at which a unit comes in
    step[ranks == 0] = NUM_STEPS + 1
    best_first = np.argsort(-values, kind="stable")
    lowest = (
        values[best_first[np.maximum(num_kept, 1) - 1]] if total else np.full(NUM_STEPS + 1, np.nan)
    )
    shares = []
    for px in (class_px, set_px):
        sums = px.sum_by(step, NUM_STEPS + 2) if isinstance(px, Grouped) else _sum_by(px, step)
        shares.append(np.cumsum(sums[: NUM_STEPS + 1], axis=0))
    return KeptTable(
        unit, rank_by, total, num_kept, np.where(num_kept, lowest, np.nan),
        *(kept[-1].astype(np.int64) for kept in shares), *map(_divide, shares),
    )  # fmt: skip


def tabulate_levels(rank_by: str, counts: NDArray[np.int64], largest: float) -> KeptTable:
    """Make the table of pixels from counts by set, class and value, (S, C, 256).

    Where a cut falls into a value, as large a share of its pixels is kept of every class.
    """
    from_best = counts[:, :, ::-1].cumsum(axis=2)
    totals = from_best.sum(axis=(0, 1)).astype(np.float64)  # pixels of at least each value
    total = float(totals[-1])
    wanted = np.linspace(0, total, NUM_STEPS + 1)
    reached, at = np.append(0.0, totals), np.arange(len(totals) + 1)
    is_new = np.append(True, np.diff(reached) > 0)  # values that no pixel has cut nothing
    place = np.interp(wanted, reached[is_new], at[is_new])
    shares = []
    for axis in (0, 1):
        kept = from_best.sum(axis=axis)
        padded = np.concatenate([np.zeros((len(kept), 1)), kept], axis=1)[:, is_new]
        shares.append(np.stack([np.interp(place, at[is_new], row) for row in padded], axis=1))
    level = 1 - np.searchsorted(totals, wanted) / (len(totals) - 1)
    return KeptTable(
        "pixel", rank_by, int(total), wanted.round().astype(np.int64),
        np.where(wanted > 0, level * largest, np.nan),
        *(kept[-1].astype(np.int64) for kept in shares), *map(_divide, shares),
    )  # fmt: skip


def _num_kept(step: int, total: int) -> int:
    """Count what ``--top`` keeps at a step."""
    if total == 0:
        return 0
    return cuts.make_cut(top=f"{100 * step / NUM_STEPS}%").num_kept(total, lambda _: 0)


def _sum_by(px: NDArray[Any], step: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum pixels (n, G) by step, (NUM_STEPS + 2, G)."""
    columns = [np.bincount(step, px[:, g], minlength=NUM_STEPS + 2) for g in range(px.shape[1])]
    return np.stack(columns, axis=1)


def _divide(kept: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn pixels that are kept into shares of all, 0 where there are none."""
    return np.asarray(kept / np.maximum(kept[-1], 1))
