"""From tallies to measures with intervals: one row for each level, score and group of faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate.auditing.bootstrap import percentile_interval
from curate.auditing.ranking import (
    counted_auroc,
    counted_average_precision,
    counted_false_alarms,
    spearman,
)
from curate.records import SCORE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from curate.auditing.tally import ImageTally

FOUND: Final = 0.95
"""Share of the spoiled pixels that the threshold of the false-alarm rate has to find."""

_REGION_STEPS: Final = 4095
"""Region scores are counted in steps of 1/4095, so that memory does not grow with their number."""


@dataclass(frozen=True, slots=True)
class CorruptionTally:
    """The tally of a planted image, and which of the audit's images it was."""

    index: int
    tally: ImageTally


def measure_group(
    injected: Sequence[CorruptionTally],
    untouched: Sequence[ImageTally],
    times: NDArray[np.float64],
    streams: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Measure how well scores find what was planted in a group of images.

    Parameters
    ----------
    planted : sequence of CorruptionTally
        An image may occur several times, spoiled in several ways.
    untouched : sequence of ImageTally
        All images of the audit, as they were.
    times : (1 + B, N) float64
        From `curate.auditing.bootstrap.draw_resamples`, for the N images of the audit.
    streams : sequence of str
        Names of the run's streams, whose counts the tallies hold.

    Returns
    -------
    rows : list of dict
        The combined score at ``pixel``, ``region`` and ``image`` level, then each network's own
        score and each stream at ``pixel`` level, NaN for a silent one. Images in which nothing
        could be planted take no part.
    """
    corrupted = [item for item in injected if item.tally.share < 1]
    rows = _measure_pixels(corrupted, untouched, times, (*SCORE_NAMES, *streams))
    rows[1:1] = [_measure_regions(corrupted, times), _measure_images(corrupted, untouched, times)]
    indices = {item.index for item in corrupted}
    share = float(np.mean([1 - item.tally.share for item in corrupted])) if corrupted else 0.0
    return [row | {"images": len(indices), "corrupted_share": share} for row in rows]


def _measure_pixels(
    corrupted: Sequence[CorruptionTally],
    untouched: Sequence[ImageTally],
    times: NDArray[np.float64],
    names: Sequence[str],
) -> list[dict[str, Any]]:
    """Unspoiled against spoiled pixels of the planted images, for each score."""
    shape = (len(untouched), *untouched[0].good_px.shape)
    good, bad = np.zeros(shape), np.zeros(shape)
    for item in corrupted:
        good[item.index] += item.tally.good_px
        bad[item.index] += item.tally.bad_px
    rows = []
    for number, name in enumerate(names):
        clean = np.stack([tally.good_px[number] for tally in untouched])
        lost = counted_false_alarms(times @ clean, times @ bad[:, number], found=FOUND)
        measured = _rank(good[:, number], bad[:, number], times)
        rows.append({"level": "pixel", "score": name, **measured, **_spread("false_alarm", lost)})
    return rows


def _measure_regions(
    corrupted: Sequence[CorruptionTally], times: NDArray[np.float64]
) -> dict[str, Any]:
    """Regions that are mostly unspoiled against the others, by their mean score."""
    values, is_good, index = [], [], []
    for item in corrupted:
        values.append(np.rint(item.tally.region_scores * _REGION_STEPS))
        is_good.append(item.tally.region_shares > 0.5)
        index.append(np.full(len(item.tally.region_scores), item.index))
    good, bad = _count(_joined(values), _joined(is_good), _joined(index), times.shape[1])
    return {"level": "region", "score": "score", **_rank(good, bad, times)}


def _measure_images(
    corrupted: Sequence[CorruptionTally],
    untouched: Sequence[ImageTally],
    times: NDArray[np.float64],
) -> dict[str, Any]:
    """Untouched images against planted ones, by their mean score."""
    used = sorted({item.index for item in corrupted})
    scores = [untouched[i].score for i in used] + [item.tally.score for item in corrupted]
    shares = [1.0] * len(used) + [item.tally.share for item in corrupted]
    index = np.array(used + [item.index for item in corrupted], np.int64)
    is_good = np.arange(len(scores)) < len(used)
    good, bad = _count(np.array(scores), is_good, index, times.shape[1])
    ranked = _rank(good, bad, times)
    return {"level": "image", "score": "score", **ranked, "spearman": spearman(scores, shares)}


def _rank(good: NDArray[Any], bad: NDArray[Any], times: NDArray[np.float64]) -> dict[str, float]:
    """Measure the ranking of counts by image and score, (N, U), with intervals."""
    measures: dict[str, Callable[..., NDArray[np.float64]]] = {
        "auroc": counted_auroc,
        "average_precision": counted_average_precision,
    }
    resampled = times @ good, times @ bad
    row: dict[str, float] = {}
    for name, measure in measures.items():
        row |= _spread(name, measure(*resampled))
    total = good.sum() + bad.sum()
    return row | {"good_share": float(good.sum() / total) if total else float("nan")}


def _spread(name: str, values: NDArray[np.float64]) -> dict[str, float]:
    """Name the value of the sample, the first one, and the interval of the resamples."""
    low, high = percentile_interval(values[1:])
    return {name: float(values[0]), f"{name}_low": low, f"{name}_high": high}


def _count(
    values: NDArray[Any], is_good: NDArray[np.bool_], index: NDArray[np.int64], num_images: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count the good and the bad samples of each image at each value that occurs, (N, U) each."""
    unique, position = np.unique(values, return_inverse=True)
    groups = []
    for chosen in (is_good, ~is_good):
        counts = np.zeros((num_images, max(1, len(unique))))
        np.add.at(counts, (index[chosen], position[chosen]), 1)
        groups.append(counts)
    return groups[0], groups[1]


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Join arrays; of none, an array without elements that can index and mask."""
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
