"""Which pixels of a whole data set to keep, to the very number and in bounded memory.

Images are gone through twice, always in the same order: once to add up how many pixels have each
score, which gives the cut, and once to see what the cut leaves of each image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.records import IGNORE_INDEX
from curate.selection.choice import Choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from curate import reporting
    from curate.selection.cuts import Cut
    from curate.selection.source import SubsetSource

    Sources = Sequence[SubsetSource]
    ReadLevels = Callable[[int, int], tuple[NDArray[np.uint8], NDArray[np.uint8]]]

NUM_LEVELS: Final = 256
"""Values that a stored pixel score can have."""


def one_group() -> NDArray[np.int64]:
    """Let the pixels of all classes compete with each other; see `count_levels`."""
    return np.where(np.arange(256) == IGNORE_INDEX, -1, 0)


def group_per_class(num_classes: int) -> NDArray[np.int64]:
    """Let the pixels of each class compete among themselves; see `count_levels`."""
    index = np.arange(256)
    return np.where(index < num_classes, index, -1)


def count_levels(
    levels: NDArray[np.uint8], label_map: NDArray[np.uint8], group_of: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count the pixels of an image by group and score.

    Parameters
    ----------
    levels : (H, W) uint8
        Score times 255 of each pixel.
    label_map : (H, W) uint8
        Class index of each pixel.
    group_of : (256,) int64
        Group 0 .. K-1 of each class index; -1: never kept, as of ignored pixels.

    Returns
    -------
    histogram : (K, 256) int64
    """
    num_groups = int(group_of.max()) + 1
    cells = group_of[label_map] * NUM_LEVELS + levels
    counts = np.bincount(cells[cells >= 0], minlength=num_groups * NUM_LEVELS)
    return counts.reshape(num_groups, NUM_LEVELS)


@dataclass(frozen=True, slots=True)
class PixelCut:
    """What to keep of each group: all pixels above a level, and the first ones of it.

    Attributes
    ----------
    level : (K,) int64
        Pixel score times 255; 256 keeps nothing.
    quota : (K,) int64
        How many pixels of the level itself are kept: those of the images further up, and in an
        image row by row.
    """

    level: NDArray[np.int64]
    quota: NDArray[np.int64]


def cut_pixels(histogram: NDArray[np.int64], cut: Cut) -> PixelCut:
    """Find the cut that keeps the best pixels of each group, to the very number.

    Parameters
    ----------
    histogram : (K, 256) int64
        Valid pixels of all images by group and level.

    Examples
    --------
    Half of 6 pixels are 3: the one at level 200, and two of the three at 100.

    >>> from curate.selection.cuts import make_cut
    >>> histogram = np.zeros((1, 256), int)
    >>> histogram[0, [0, 100, 200]] = 2, 3, 1
    >>> cut_pixels(histogram, make_cut(top=0.5))
    PixelCut(level=array([100]), quota=array([2]))
    """
    counts = [
        cut.num_kept(int(at_least[0]), partial(_num_at_least, at_least))
        for at_least in map(_count_at_least, histogram)
    ]
    return cut_counts(histogram, counts)


def cut_counts(histogram: NDArray[np.int64], counts: Sequence[int]) -> PixelCut:
    """Find the cut that keeps so many of the best pixels of each group.

    Parameters
    ----------
    histogram : (K, 256) int64
        As in `cut_pixels`.
    counts : sequence of K int
        None more than the group has.
    """
    levels, quotas = [], []
    for per_level, num_kept in zip(histogram, counts, strict=True):
        at_least = _count_at_least(per_level)
        # The lowest level that is needed: the highest that has enough pixels at or above it.
        level = int(np.flatnonzero(at_least >= num_kept)[-1]) if num_kept else NUM_LEVELS
        levels.append(level)
        quotas.append(num_kept - int(at_least[level + 1]) if num_kept else 0)
    return PixelCut(np.array(levels, np.int64), np.array(quotas, np.int64))


def count_classes(
    levels: NDArray[np.uint8],
    label_map: NDArray[np.uint8],
    group_of: NDArray[np.int64],
    level: NDArray[np.int64],
    taken: NDArray[np.int64],
    by_class: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Count what is kept of each class of an image.

    Parameters
    ----------
    levels, label_map, group_of
        As in `count_levels`.
    level, taken : (K,) int64
        Cut of each group, and how many pixels at this very level are kept: the first ones.
    by_class : (256,) int64
        From `group_per_class`.

    Returns
    -------
    class_px : (C,) int64
    """
    histogram = count_levels(levels, label_map, by_class)
    own_group = group_of[: len(histogram)]
    own_level = level[own_group]
    counts = np.where(np.arange(NUM_LEVELS) > own_level[:, None], histogram, 0).sum(axis=1)
    for group in np.flatnonzero(taken).tolist():
        at_level = (levels == level[group]) & (group_of == group)[label_map]
        first = label_map[at_level][: taken[group]]
        counts += np.bincount(first, minlength=256)[: len(histogram)]
    return np.asarray(counts)


class KeptPixels:
    """What a cut leaves of each image.

    Parameters
    ----------
    cut : PixelCut
    group_of : (256,) int64
        As in `count_levels`.
    num_images : int

    Attributes
    ----------
    counts : (N,) int64
        Kept pixels of each image that was added.
    """

    def __init__(self, cut: PixelCut, group_of: NDArray[np.int64], num_images: int) -> None:
        self.counts = np.zeros(num_images, np.int64)
        self._group_of = group_of
        self._level = cut.level
        self._is_above = np.arange(NUM_LEVELS) > cut.level[:, None]
        self._left = cut.quota.copy()
        # The image in which the quota of a group ends, and what it keeps of the level in there:
        # images further up keep all of it, those further down nothing.
        self._last_row = np.where(cut.quota > 0, num_images, -1)
        self._last_kept = np.zeros_like(cut.quota)

    def add(self, row: int, histogram: NDArray[np.int64]) -> NDArray[np.int64]:
        """Take up the next image; `row` rises from call to call.

        Returns
        -------
        taken : (K,) int64
            How many of the pixels at the cut's own level are kept of it.
        """
        at_level = np.where(
            self._level < NUM_LEVELS,
            np.take_along_axis(histogram, np.minimum(self._level, NUM_LEVELS - 1)[:, None], axis=1)[
                :, 0
            ],
            0,
        )
        ends = (self._left > 0) & (self._left <= at_level)
        self._last_row[ends] = row
        self._last_kept[ends] = self._left[ends]
        taken = np.minimum(self._left, at_level)
        self._left -= taken
        self.counts[row] = histogram[self._is_above].sum() + taken.sum()
        return np.asarray(taken)

    @property
    def left(self) -> PixelCut:
        """Return the cut for the images of the next data set, where several are cut as one."""
        return PixelCut(self._level, self._left.copy())

    def mask(
        self, row: int, levels: NDArray[np.uint8], label_map: NDArray[np.uint8]
    ) -> NDArray[np.bool_]:
        """Mark the kept pixels of one image, after all images were added.

        Parameters
        ----------
        levels, label_map : (H, W) uint8
            As in `count_levels`.

        Returns
        -------
        keep : (H, W) bool
        """
        level_of = np.append(self._level, NUM_LEVELS)[self._group_of][label_map]
        keep = levels > level_of
        is_whole = np.append(self._last_row > row, False)[self._group_of]
        keep |= (levels == level_of) & is_whole[label_map]
        for group in np.flatnonzero(self._last_row == row).tolist():
            at_level = (levels == self._level[group]) & (self._group_of == group)[label_map]
            ties = np.flatnonzero(at_level)[: self._last_kept[group]]
            keep.reshape(-1)[ties] = True
        return np.asarray(keep)


def _count_at_least(per_level: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the pixels of at least each level, (257,)."""
    return np.append(per_level[::-1].cumsum()[::-1], 0)


def _num_at_least(at_least: NDArray[np.int64], score: float) -> int:
    """Count the pixels of at least a score."""
    return int(at_least[math.ceil(score * (NUM_LEVELS - 1) - 1e-9)])


def keep_levels(
    sources: Sources,
    find_cut: Callable[[NDArray[np.int64]], PixelCut],
    group_of: NDArray[np.int64],
    reporter: reporting.Reporter,
    read: ReadLevels | None = None,
    reason: str = "no_pixel_selected",
) -> list[Choice]:
    """Keep pixels by their level, the same cut for all data sets; reads all labels twice.

    Parameters
    ----------
    find_cut : callable
        From the pixels of all images by group and level, (K, 256), to the cut.
    group_of : (256,) int64
        See `count_levels`.
    read : callable, optional
        ``(number of the data set, row of the image) -> levels, label_map``; by default scores.
    reason : str
        Why an image is left out.
    """
    read = read or (lambda number, row: sources[number].read_pixels(row))
    by_class = group_per_class(len(sources[0].provenance.classes.names))
    rows = [np.flatnonzero(~np.isnan(source.image_scores)).tolist() for source in sources]
    total = np.zeros((int(group_of.max()) + 1, NUM_LEVELS), np.int64)
    px, with_px = [0] * len(sources), [0] * len(sources)
    every = [(number, row) for number, each in enumerate(rows) for row in each]
    reporter.start("count pixels", len(every))
    for done, (number, row) in enumerate(every, start=1):
        histogram = count_levels(*read(number, row), group_of)
        with_px[number] += bool(histogram.any())
        px[number] += int(histogram.sum())
        total += histogram
        reporter.advance(done)
    reporter.finish()
    cut, choices = find_cut(total), []
    _warn_of_ties(total, cut, reporter)
    present = np.flatnonzero(total.any(axis=0))
    reporter.start("choose pixels", len(every))
    for number, source in enumerate(sources):
        kept = KeptPixels(cut, group_of, source.num_images)
        class_px = np.zeros(int(by_class.max()) + 1, np.int64)
        before = sum(map(len, rows[:number]))
        for done, row in enumerate(rows[number], start=before + 1):
            seen = read(number, row)
            taken = kept.add(row, count_levels(*seen, group_of))
            class_px += count_classes(*seen, group_of, cut.level, taken, by_class)
            reporter.advance(done)
        cut = kept.left
        choices.append(
            Choice(
                is_selected=kept.counts > 0,
                kept_px=kept.counts,
                class_px=class_px,
                selected=int(np.count_nonzero(kept.counts)),
                of=with_px[number],
                pixels_total=px[number],
                best=float(present[-1]) / (NUM_LEVELS - 1) if len(present) else math.nan,
                reason=reason,
                mask_of=partial(_mask, kept, read, number),
            )
        )
    reporter.finish()
    return choices


def _warn_of_ties(
    histogram: NDArray[np.int64], cut: PixelCut, reporter: reporting.Reporter
) -> None:
    """Say so where not scores but the order of the files chose most of what is kept."""
    levels = np.arange(NUM_LEVELS)
    above = int(histogram[levels > cut.level[:, None]].sum())
    at_level = int(histogram[levels == cut.level[:, None]].sum())
    chosen = int(cut.quota.sum())
    if chosen > above and chosen < at_level:
        reporter.warn(
            f"{chosen / (above + chosen):.0%} of the pixels kept score just as "
            f"{at_level - chosen:,} others that are left out: of these, files are taken in their "
            "order. Scores that hardly differ tell little: fit for more steps, or cut --by image "
            "or region."
        )


def _mask(kept: KeptPixels, read: ReadLevels, number: int, row: int) -> NDArray[np.bool_]:
    """Mark the kept pixels of an image."""
    return kept.mask(row, *read(number, row))
