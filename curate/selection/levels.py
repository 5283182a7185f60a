"""Keep pixels by level: score times 255, or what a control draws in its place."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from curate.selection import pixels
from curate.selection.choice import Choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from curate import reporting
    from curate.selection.source import SubsetSource

    Sources = Sequence[SubsetSource]
    ReadLevels = Callable[[int, int], tuple[NDArray[np.uint8], NDArray[np.uint8]]]


def keep_levels(
    sources: Sources,
    find_cut: Callable[[NDArray[np.int64]], pixels.PixelCut],
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
        See `pixels.count_levels`.
    read : callable, optional
        ``(number of the data set, row of the image) -> levels, label_map``; by default scores.
    reason : str
        Why an image is left out.
    """
    read = read or (lambda number, row: sources[number].read_pixels(row))
    by_class = pixels.group_per_class(len(sources[0].provenance.classes.names))
    rows = [np.flatnonzero(~np.isnan(source.image_scores)).tolist() for source in sources]
    total = np.zeros((int(group_of.max()) + 1, pixels.NUM_LEVELS), np.int64)
    px, with_px = [0] * len(sources), [0] * len(sources)
    every = [(number, row) for number, each in enumerate(rows) for row in each]
    reporter.start("count pixels", len(every))
    for done, (number, row) in enumerate(every, start=1):
        histogram = pixels.count_levels(*read(number, row), group_of)
        with_px[number] += bool(histogram.any())
        px[number] += int(histogram.sum())
        total += histogram
        reporter.advance(done)
    reporter.finish()
    cut, choices = find_cut(total), []
    present = np.flatnonzero(total.any(axis=0))
    reporter.start("choose pixels", len(every))
    for number, source in enumerate(sources):
        kept = pixels.KeptPixels(cut, group_of, source.num_images)
        class_px = np.zeros(int(by_class.max()) + 1, np.int64)
        before = sum(map(len, rows[:number]))
        for done, row in enumerate(rows[number], start=before + 1):
            seen = read(number, row)
            taken = kept.add(row, pixels.count_levels(*seen, group_of))
            class_px += pixels.count_classes(*seen, group_of, cut.level, taken, by_class)
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
                best=float(present[-1]) / (pixels.NUM_LEVELS - 1) if len(present) else math.nan,
                reason=reason,
                mask_of=partial(_mask, kept, read, number),
            )
        )
    reporter.finish()
    return choices


def _mask(kept: pixels.KeptPixels, read: ReadLevels, number: int, row: int) -> NDArray[np.bool_]:
    """Mark the kept pixels of an image."""
    return kept.mask(row, *read(number, row))
