"""From score maps to measures: tallies of single images, then rows with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate.auditing import ranking
from curate.records import GRID_STRIDE, IGNORE_INDEX, SCORE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

FOUND: Final = 0.95
"""Share of the corrupted pixels that the threshold of the false-alarm rate has to find."""

_REGION_STEPS: Final = 4095
"""Region scores are counted in steps of 1/4095, so that memory does not grow with their number."""

NUM_SCORES: Final = 256
"""Pixel scores are counted in steps of 1/255; score files hold them no finer."""


@dataclass(frozen=True, slots=True)
class ImageTally:
    """What an audit keeps of one image.

    Attributes
    ----------
    sound_px, corrupted_px : (4 + S, 256) int64
        Pixels by score, a row for each of `SCORE_NAMES` and for each of the run's S streams; 0 for
        an inactive one.
    region_scores, region_shares : (R,) float64
        Mean combined score, and share of sound pixels, of each region with labelled pixels.
    score, share : float
        The same two of the whole image.
    """

    sound_px: NDArray[np.int64]
    corrupted_px: NDArray[np.int64]
    region_scores: NDArray[np.float64]
    region_shares: NDArray[np.float64]
    score: float
    share: float


def tally_image(
    maps: NDArray[np.float32],
    label_map: NDArray[np.uint8],
    is_corrupted: NDArray[np.bool_],
    region_ids: NDArray[np.int64],
) -> ImageTally:
    """Count the pixels of one image.

    Parameters
    ----------
    maps : (4 + S, h, w) float32
        Scores in [0, 1], a map for each of `SCORE_NAMES` and of the streams, NaN for an inactive
        one,
        on a grid of 4 pixels a cell.
    label_map, is_corrupted : (H, W) uint8, (H, W) bool
        255 = ignore: such pixels are in no count.
    region_ids : (h, w) int64
        0 .. R-1.
    """
    is_valid = label_map != IGNORE_INDEX
    sound, corrupted = _count_px(is_valid & ~is_corrupted), _count_px(is_valid & is_corrupted)
    valid = sound + corrupted
    steps = np.rint(np.nan_to_num(maps) * (NUM_SCORES - 1)).astype(np.int64)
    is_active = ~np.isnan(maps[:, :1, :1])[..., 0]  # an inactive stream is NaN everywhere
    sums, sound_sums, px = (
        np.bincount(region_ids.ravel(), weights=values.ravel())
        for values in (maps[0].astype(np.float64) * valid, sound, valid)
    )
    is_known = px > 0
    return ImageTally(
        sound_px=_count_steps(steps, sound) * is_active,
        corrupted_px=_count_steps(steps, corrupted) * is_active,
        region_scores=sums[is_known] / px[is_known],
        region_shares=sound_sums[is_known] / px[is_known],
        score=float(sums.sum() / px.sum()),
        share=float(sound_sums.sum() / px.sum()),
    )


def _count_px(is_counted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the pixels of each cell, those at the lower and right border being cut off."""
    rows, columns = (np.arange(0, length, GRID_STRIDE) for length in is_counted.shape)
    by_row = np.add.reduceat(is_counted.astype(np.int64), rows, axis=0)
    return np.asarray(np.add.reduceat(by_row, columns, axis=1))


def _count_steps(steps: NDArray[np.int64], px: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add the pixels of each cell to the count of its score, map by map."""
    weights = px.ravel()
    rows = [np.bincount(row.ravel(), weights, minlength=NUM_SCORES) for row in steps]
    return np.stack(rows).astype(np.int64)


def measure_group(
    injected: Sequence[tuple[int, ImageTally]],
    untouched: Sequence[ImageTally],
    times: NDArray[np.float64],
    streams: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Measure how well scores find what was injected into a group of images.

    Parameters
    ----------
    injected : sequence of (int, ImageTally)
        Which of the audit's images, and its tally once corrupted; an image may occur several times.
    untouched : sequence of ImageTally
        All images of the audit, as they were.
    times : (1 + B, N) float64
        From `curate.auditing.ranking.draw_resamples`, for the N images of the audit.
    streams : sequence of str
        Names of the run's streams, whose counts the tallies hold.

    Returns
    -------
    rows : list of dict
        The combined score at ``pixel``, ``region`` and ``image`` level, then each network's own
        score and each stream at ``pixel`` level, NaN for an inactive one. Images into which nothing
        could be injected take no part.
    """
    corrupted = [(index, tally) for index, tally in injected if tally.share < 1]
    rows = _measure_pixels(corrupted, untouched, times, (*SCORE_NAMES, *streams))
    rows[1:1] = [_measure_regions(corrupted, times), _measure_images(corrupted, untouched, times)]
    indices = {index for index, _ in corrupted}
    share = float(np.mean([1 - tally.share for _, tally in corrupted])) if corrupted else 0.0
    return [row | {"images": len(indices), "corrupted_share": share} for row in rows]


def _measure_pixels(
    corrupted: Sequence[tuple[int, ImageTally]],
    untouched: Sequence[ImageTally],
    times: NDArray[np.float64],
    names: Sequence[str],
) -> list[dict[str, Any]]:
    """Sound against corrupted pixels of the corrupted images, for each score."""
    shape = (len(untouched), *untouched[0].sound_px.shape)
    sound_px, corrupted_px = np.zeros(shape), np.zeros(shape)
    for index, tally in corrupted:
        sound_px[index] += tally.sound_px
        corrupted_px[index] += tally.corrupted_px
    rows = []
    for number, name in enumerate(names):
        before = np.stack([tally.sound_px[number] for tally in untouched])
        resampled = times @ before, times @ corrupted_px[:, number]
        lost = ranking.counted_false_alarms(*resampled, found=FOUND)
        measured = _rank(sound_px[:, number], corrupted_px[:, number], times)
        rows.append({"level": "pixel", "score": name, **measured, **_spread("false_alarm", lost)})
    return rows


def _measure_regions(
    corrupted: Sequence[tuple[int, ImageTally]], times: NDArray[np.float64]
) -> dict[str, Any]:
    """Regions that are mostly sound against the others, by their mean score."""
    values, is_sound, rows = [], [], []
    for index, tally in corrupted:
        values.append(np.rint(tally.region_scores * _REGION_STEPS))
        is_sound.append(tally.region_shares > 0.5)
        rows.append(np.full(len(tally.region_scores), index))
    counts = _count(_joined(values), _joined(is_sound), _joined(rows), times.shape[1])
    return {"level": "region", "score": "score", **_rank(*counts, times)}


def _measure_images(
    corrupted: Sequence[tuple[int, ImageTally]],
    untouched: Sequence[ImageTally],
    times: NDArray[np.float64],
) -> dict[str, Any]:
    """Untouched images against corrupted ones, by their mean score."""
    used = sorted({index for index, _ in corrupted})
    scores = [untouched[i].score for i in used] + [tally.score for _, tally in corrupted]
    shares = [1.0] * len(used) + [tally.share for _, tally in corrupted]
    rows = np.array(used + [index for index, _ in corrupted], np.int64)
    is_sound = np.arange(len(scores)) < len(used)
    counts = _count(np.array(scores), is_sound, rows, times.shape[1])
    correlation = {"spearman": ranking.spearman(scores, shares)}
    return {"level": "image", "score": "score", **_rank(*counts, times), **correlation}


def _rank(
    sound: NDArray[Any], corrupted: NDArray[Any], times: NDArray[np.float64]
) -> dict[str, float]:
    """Measure the ranking of counts by image and score, (N, U), with intervals."""
    measures: dict[str, Callable[..., NDArray[np.float64]]] = {
        "auroc": ranking.counted_auroc,
        "average_precision": ranking.counted_average_precision,
    }
    resampled = times @ sound, times @ corrupted
    row: dict[str, float] = {}
    for name, measure in measures.items():
        row |= _spread(name, measure(*resampled))
    total = sound.sum() + corrupted.sum()
    return row | {"sound_share": float(sound.sum() / total) if total else float("nan")}


def _spread(name: str, values: NDArray[np.float64]) -> dict[str, float]:
    """Name the value of the sample, the first one, and the interval of the resamples."""
    low, high = ranking.percentile_interval(values[1:])
    return {name: float(values[0]), f"{name}_low": low, f"{name}_high": high}


def _count(
    values: NDArray[Any], is_sound: NDArray[np.bool_], rows: NDArray[np.int64], num_images: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count sound and corrupted samples of each image at each value that occurs, (N, U) each."""
    unique, position = np.unique(values, return_inverse=True)
    groups = []
    for chosen in (is_sound, ~is_sound):
        counts = np.zeros((num_images, max(1, len(unique))))
        np.add.at(counts, (rows[chosen], position[chosen]), 1)
        groups.append(counts)
    return groups[0], groups[1]


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Join arrays; of none, an array without elements that can index and mask."""
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
