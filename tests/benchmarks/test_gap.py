"""The share of a gap that is closed, and its interval."""

import math

import numpy as np
import pytest
from scipy import stats

from tests.benchmarks.gap import closed_share, describe_closed

FLOOR = np.array([0.48, 0.47, 0.50, 0.46])
CEILING = np.array([0.56, 0.54, 0.57, 0.56])
ARM = np.array([0.53, 0.52, 0.54, 0.51])


def test_share_is_the_ratio_of_the_mean_differences():
    share, _, _ = closed_share(ARM, FLOOR, CEILING)
    assert share == pytest.approx(0.19 / 0.32)


def test_at_both_limits_the_difference_to_that_share_is_just_significant():
    _, *limits = closed_share(ARM, FLOOR, CEILING)
    for limit in limits:
        rest = (ARM - FLOOR) - limit * (CEILING - FLOOR)
        assert stats.ttest_1samp(rest, 0).pvalue == pytest.approx(0.05)


def test_ceiling_closes_all_and_floor_nothing():
    assert describe_closed(CEILING, FLOOR, CEILING) == "100% [100%, 100%]"
    assert describe_closed(FLOOR, FLOOR, CEILING) == "0% [0%, 0%]"


def test_gap_that_may_be_nothing_leaves_the_share_unknown():
    _, low, high = closed_share(ARM, FLOOR, np.array([0.50, 0.45, 0.53, 0.44]))
    assert (low, high) == (-math.inf, math.inf)


def test_one_seed_has_no_interval():
    assert describe_closed(ARM[:1], FLOOR[:1], CEILING[:1]) == "62%"
