import math

import numpy as np
import pytest

from curate.comparing.outputs import limits, with_interval
from curate.comparing.statistics import Estimate, estimate


def found(mean, low=math.nan, high=math.nan):
    return Estimate(mean, low, high, 3, 0.5, None)


def test_an_interval_is_written_where_there_is_one():
    assert with_interval(found(0.5, 0.4, 0.6)) == "0.500 [0.400, 0.600]"
    assert with_interval(found(0.0125), signed=True) == "+0.013"


def test_an_axis_holds_means_and_intervals():
    assert limits([found(0.5, 0.45, 0.55), found(0.6, 0.58, 0.62)]) == pytest.approx((0.44, 0.63))


def test_a_wide_interval_is_cut_off():
    # the means are .1 apart, so no more than .1 is shown beyond them, and a tenth of that
    assert limits([found(0.5, -2, 3), found(0.6, 0.58, 0.62)]) == pytest.approx((0.39, 0.71))


def test_single_trainings_are_inside():
    assert limits([found(0.5, 0.45, 0.55)], [0.3, 0.5]) == pytest.approx((0.28, 0.57))


def test_equal_means_without_intervals_have_a_range():
    low, high = limits([estimate(np.array([[0.3]]))] * 2)
    assert (low, high) == pytest.approx((0.295, 0.305))
