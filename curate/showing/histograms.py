"""How scores spread: pixels counted by set, class and score; histograms that a page can draw."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate.showing import inks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate import reporting
    from curate.showing.scored_sets import ScoredSets

NUM_BINS: Final = 256
MAX_IMAGES: Final = 2000
"""Of more, evenly spaced ones are counted."""
NUM_BARS: Final = 32
WIDTH: Final = 320
"""Of the drawing, in its own units."""
HEIGHT: Final = 100
_TAIL: Final = 0.01
_STEP: Final = 0.05
_WIDE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Tallies:
    """Cells of maps, counted.

    Attributes
    ----------
    scores, weights : (S, C, 256) int64
        Cells of each set and class by value. The class of a cell is that of its region.
    largest_weight : float
        What the last bin of `weights` stands for.
    images : int
        Images that were counted, of those that have a score.
    """

    scores: NDArray[Any]
    weights: NDArray[Any]
    largest_weight: float
    images: int


def count_cells(sets: ScoredSets, reporter: reporting.Reporter) -> Tallies | None:
    """Count the cells of all images, or of many; None where maps or regions were not kept."""
    if not (sets.has_maps("pixel") and sets.has_maps("region")):
        return None
    num_classes = len(sets.classes)
    shape = (len(sets.sources), num_classes, NUM_BINS)
    scores, weights = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    rows = np.flatnonzero(sets.is_ok)
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), MAX_IMAGES)).round().astype(int)]
    means = np.array([each.scores.header.weight_means[0] for each in sets.sources])
    bins = np.rint(np.arange(NUM_BINS) * (means.min() / means)[:, None]).astype(int)  # of levels
    reporter.start("read maps", len(chosen))
    for done, row in enumerate(chosen.tolist(), start=1):
        classes, own = sets.region_cells(row, "class_id"), sets.set_of[row]
        place = np.where((classes >= 0) & (classes < num_classes), classes, num_classes)
        first = place.ravel().astype(np.int32) * NUM_BINS
        scores[own] += _count(first + sets.score_cells(row).ravel(), num_classes)
        found = _count(first + sets.weight_levels(row).ravel(), num_classes)
        np.add.at(weights[own].T, bins[own], found.T)
        reporter.advance(done)
    reporter.finish()
    return Tallies(scores, weights, sets.about.largest_weight / means.min(), len(chosen))


def _count(cells: NDArray[np.int32], num_classes: int) -> NDArray[np.int64]:
    """Count cells by class and value, (C, 256); those beyond the last class do not count."""
    counts = np.bincount(cells, minlength=(num_classes + 1) * NUM_BINS)
    return counts.reshape(-1, NUM_BINS)[:num_classes]


@dataclass(frozen=True, slots=True)
class Shape:
    """One histogram of a chart.

    Attributes
    ----------
    name : str
        Of a data set, or of a class.
    path : str
        Outline, as an SVG path in a drawing of `WIDTH` by `HEIGHT`.
    count : int
        What was counted.
    quantiles : (float, float, float)
        A tenth, half and nine tenths lie below; NaN where nothing was counted.
    """

    name: str
    path: str
    count: int
    quantiles: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Chart:
    """Histograms over one axis from 0 to 1, one on the other."""

    title: str
    unit: str
    shapes: list[Shape]


def find_span(tallies: Tallies | None) -> tuple[float, float]:
    """Find where scores lie, for colours that tell them apart.

    Returns
    -------
    low, high : float
        In steps of 0.05, around all but a hundredth at either end; all of [0, 1] if that is
        more than half of it, or nothing was counted.
    """
    if tallies is None or not tallies.scores.any():
        return inks.WHOLE
    reached = tallies.scores.sum(axis=(0, 1)).cumsum() / tallies.scores.sum()
    ends = (np.searchsorted(reached, q) / 255 for q in (_TAIL, 1 - _TAIL))
    low, high = (to(end / _STEP) * _STEP for to, end in zip((floor, ceil), ends, strict=True))
    if high - low > _WIDE:
        return inks.WHOLE
    low = min(low, 1 - 2 * _STEP)
    return round(low, 2), round(max(high, low + 2 * _STEP), 2)


def draw_levels(sets: ScoredSets, tallies: Tallies | None) -> list[Chart]:
    """Draw the scores of images, regions and pixels, each set by itself."""
    scores = np.where(sets.is_ok, sets.column("score"), np.nan)
    charts = [_by_set("Images", "images", sets, bin_values(scores, sets.set_of, sets))]
    if "region" in sets.about.levels:
        image = sets.region_column("image")
        own = np.where(sets.is_ok[image], sets.region_column("score"), np.nan)
        charts.append(
            _by_set("Regions", "regions", sets, bin_values(own, sets.set_of[image], sets))
        )
    if tallies is not None:
        charts.append(_by_set("Pixels", "cells", sets, tallies.scores.sum(axis=1)))
    return charts


def draw_classes(sets: ScoredSets, tallies: Tallies | None) -> list[Chart]:
    """Draw the scores of each class's pixels, each set by itself; none without maps.

    Classes that no image shows have no chart.
    """
    if tallies is None:
        return []
    return [
        _by_set(name, "cells", sets, tallies.scores[:, index])
        for index, name in enumerate(sets.classes)
        if tallies.scores[:, index].any()
    ]


def bin_values(
    values: NDArray[np.floating], set_of: NDArray[np.int64], sets: ScoredSets
) -> NDArray[np.int64]:
    """Count values in [0, 1] by set in 256 bins, (S, 256); NaN does not count."""
    has_value, last = ~np.isnan(values), NUM_BINS - 1
    bins = (values[has_value] * last).round().clip(0, last).astype(np.int64)
    joint = set_of[has_value] * NUM_BINS + bins
    counts = np.bincount(joint, minlength=len(sets.sources) * NUM_BINS)
    return np.asarray(counts.reshape(-1, NUM_BINS))


def draw_shape(name: str, counts: NDArray[Any], tallest: float) -> Shape:
    """Draw the outline of one histogram of 256 bins.

    Parameters
    ----------
    tallest : float
        Share of the counts that reaches the top of the drawing.
    """
    shares = _shares(counts)
    points = [f"M0 {HEIGHT}"]
    for bar, share in enumerate(shares):
        y = HEIGHT - HEIGHT * share / max(tallest, 1e-9)
        points.append(f"V{y:.1f}H{(bar + 1) * WIDTH / NUM_BARS:g}")
    return Shape(name, "".join([*points, f"V{HEIGHT}Z"]), int(counts.sum()), _quantiles(counts))


def _by_set(title: str, unit: str, sets: ScoredSets, counts: NDArray[Any]) -> Chart:
    """Make a chart of (S, 256) counts."""
    tallest = max(float(_shares(own).max()) for own in counts)
    named = zip(sets.names, counts, strict=True)
    return Chart(title, unit, [draw_shape(name, own, tallest) for name, own in named])


def _shares(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Put 256 bins together into fewer, as shares of all."""
    bars = counts.reshape(NUM_BARS, -1).sum(axis=1)
    return np.asarray(bars / max(int(counts.sum()), 1))


def _quantiles(counts: NDArray[Any]) -> tuple[float, float, float]:
    """Return what a tenth, half and nine tenths of the counts lie below, to 1/255."""
    if not counts.sum():
        return (np.nan, np.nan, np.nan)
    reached = counts.cumsum() / counts.sum()
    low, middle, high = (int(np.searchsorted(reached, q)) / 255 for q in (0.1, 0.5, 0.9))
    return low, middle, high
