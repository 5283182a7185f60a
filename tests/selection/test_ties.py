"""Equal scores of many, and ignored pixels of the highest score."""

import numpy as np
import pytest

from curate.selection.cuts import make_cut, select
from curate.selection.pixels import (
    PixelCut,
    _warn_of_ties,
    count_levels,
    group_per_class,
    one_group,
)
from tests.selection.making import Warnings


def test_pixels_of_equal_scores_are_counted_from_the_first():
    # every third of 300 scores 0.9; these have 1, 4, 7, .. pixels, and 1 + 4 + .. + 28 = 145
    scores = np.where(np.arange(300) % 3 == 0, 0.9, 0.5)
    px = np.arange(1, 301)
    for pixels, count in ((145, 10), (146, 11)):
        kept = select(scores, make_cut(pixels=pixels), px)
        assert np.flatnonzero(kept).tolist() == list(range(0, 3 * count, 3))


def test_ignored_pixels_of_the_highest_score_are_not_counted():
    levels = np.array([[255, 255, 0]], np.uint8)
    label_map = np.array([[255, 0, 0]], np.uint8)
    for group_of in (one_group(), group_per_class(1)):
        counts = count_levels(levels, label_map, group_of)
        assert counts.shape == (1, 256)
        assert (counts[0, 0], counts[0, 255], counts.sum()) == (1, 1, 2)


@pytest.mark.parametrize(("quota", "is_told"), [(40, True), (30, False), (100, False)])
def test_it_is_told_when_the_order_of_files_chose_most(quota, is_told):
    histogram = np.zeros((1, 256), np.int64)
    histogram[0, [200, 7]] = 35, 100  # 35 above the cut's level, 100 at it
    reporter = Warnings()
    _warn_of_ties(histogram, PixelCut(np.array([7]), np.array([quota])), reporter)
    told = [text.partition(": of these")[0] for text in reporter.texts]
    assert told == ["53% of the pixels kept score just as 60 others that are left out"] * is_told
