"""Controls of a subset: what could have been had without the scores.

As many pixels of each class are drawn at random, by the same unit, so that a subset that trains
better than its control does not owe that to how much it holds of each class.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from curate import reporting, seeding
from curate.selection import pixels
from curate.selection.choice import count_kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from curate.selection.choice import Choice
    from curate.selection.settings import ExportSettings
    from curate.selection.source import SubsetSource


def match_at_random(
    sources: Sequence[SubsetSource],
    choices: Sequence[Choice],
    settings: ExportSettings,
    reporter: reporting.Reporter,
) -> list[Choice]:
    """Keep as many pixels of each class as `choices` do, drawn at random.

    Every image, region or cell gets a random level from 0 to 255, and of each class the pixels
    with the highest levels are kept, to the very number. So whole units are kept until the pixels
    of their class are used up; what an image has more of a class is ignored.

    Parameters
    ----------
    choices : sequence of Choice
        What is kept of each data set by the scores.
    """
    num_classes = len(sources[0].provenance.classes.names)
    budget = np.zeros(num_classes, np.int64)
    for source, choice in zip(sources, choices, strict=True):
        budget += count_kept(source, choice, reporter)

    def read(number: int, row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        source = sources[number]
        rng = seeding.stable_rng(settings.seed, "control", number, source.id_of(row))
        levels = _draw_levels(source, row, settings.by, rng)
        return levels, source.read_labels(row)

    return pixels.keep_levels(
        sources,
        partial(pixels.cut_counts, counts=budget.tolist()),
        pixels.group_per_class(num_classes),
        reporter,
        read,
        reason="not_drawn",
    )


def _draw_levels(
    source: SubsetSource, row: int, by: str, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw a level for each unit of an image and give it to its pixels, (H, W)."""
    if by == "image":
        return np.full(source.size_of(row), rng.integers(pixels.NUM_LEVELS), np.uint8)
    if by == "region":
        regions = source.scores.region_ids(source.id_of(row))
        drawn = rng.integers(pixels.NUM_LEVELS, size=int(regions.max()) + 1)[regions]
    else:
        cells = source.scores.pixel_scores(source.id_of(row))
        drawn = rng.integers(pixels.NUM_LEVELS, size=cells.shape)
    return source.to_pixels(drawn.astype(np.uint8), row).astype(np.uint8)
