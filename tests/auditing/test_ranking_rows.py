"""Measures of several resamples at once are those of each by itself."""

import math

import numpy as np
import pytest

from curate.auditing import ranking

BAD = np.array([[6, 3, 1, 0], [1, 0, 0, 1], [0, 0, 0, 0]])
GOOD = np.array([[1, 1, 2, 6], [0, 3, 0, 1], [1, 1, 1, 1]])


def measure(name, good, bad):
    if name == "false_alarms":
        return ranking.counted_false_alarms(good, bad, found=0.6)
    return getattr(ranking, f"counted_{name}")(good, bad)


@pytest.mark.parametrize("name", ["auroc", "average_precision", "false_alarms"])
def test_rows_are_measured_as_each_by_itself(name):
    found = measure(name, GOOD, BAD)
    each = [float(measure(name, good, bad)) for good, bad in zip(GOOD, BAD, strict=True)]
    assert found.tolist() == pytest.approx(each, nan_ok=True)
    assert math.isnan(found[2])
    assert measure(name, GOOD[None], BAD[None]).tolist() == [pytest.approx(each, nan_ok=True)]


def test_measures_of_a_row_by_hand():
    # good ones, 3 at score 1 and 1 at 3; bad ones, 1 at 0 and 1 at 3
    area = ranking.counted_auroc(GOOD[1], BAD[1])
    assert area == pytest.approx((3 * 1 + 1 * 1.5) / (4 * 2))
    precision = ranking.counted_average_precision(GOOD[1], BAD[1])
    assert precision == pytest.approx((3 * 4 / 5 + 1 * 1 / 2) / 4)
    # the lowest score at or below which 60 % of the bad ones lie is the highest, and so all are
    assert ranking.counted_false_alarms(GOOD[1], BAD[1], found=0.6) == 1
    assert ranking.counted_false_alarms(GOOD[1], BAD[1], found=0.5) == 0


def test_scores_that_nothing_has_count_for_nothing():
    found = ranking.counted_average_precision(np.array([1, 1, 0]), np.array([1, 0, 0]))
    assert found == pytest.approx((1 * 2 / 3 + 1 * 1) / 2)


def test_rank_correlation_by_hand():
    # ranks 1, 2.5, 2.5, 4 and 1, 2, 4, 3
    x, y = [-1.5, 0, 0, 1.5], [-1.5, -0.5, 1.5, 0.5]
    expected = np.dot(x, y) / math.sqrt(np.dot(x, x) * np.dot(y, y))
    assert ranking.spearman([0.1, 0.5, 0.5, 9], [1, 2, 4, 3]) == pytest.approx(expected)
    assert math.isnan(ranking.spearman([1], [1]))
    assert math.isnan(ranking.spearman([], []))
