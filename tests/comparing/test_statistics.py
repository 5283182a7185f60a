import math

import numpy as np
import pytest

from curate.comparing.statistics import estimate


def test_interval_of_two_draws_is_that_of_student_with_one_degree_of_freedom():
    # draws .2 and .4, each the mean of two seeds: s = .1414, t = 12.706, half = 1.2706
    found = estimate(np.array([[0.1, 0.3], [0.3, 0.5]]))
    assert found.mean == pytest.approx(0.3)
    assert (found.low, found.high) == pytest.approx((0.3 - 1.2706, 0.3 + 1.2706), abs=1e-4)
    assert found.num_units == 2


def test_seeds_are_the_units_where_there_is_one_draw():
    # .1, .2, .3: s = .1, t(2) = 4.3027, half = 4.3027 * .1 / sqrt(3) = .2484
    found = estimate(np.array([[0.1, 0.2, 0.3]]))
    assert (found.num_units, found.low) == (3, pytest.approx(0.2 - 0.2484, abs=1e-4))


def test_one_training_has_no_interval():
    found = estimate(np.array([[0.2]]))
    assert (found.mean, found.units_needed) == (0.2, None)
    assert math.isnan(found.low)
    assert not found.is_above_zero


def test_draws_needed_are_those_of_cohens_tables():
    # an effect of half a standard deviation takes 34 pairs for a power of .8 at 5 %, two-sided
    values = np.array([[0.5 - 1 / math.sqrt(2)], [0.5 + 1 / math.sqrt(2)]])  # mean .5, s = 1
    assert estimate(values).units_needed == 34


def test_equal_differences_are_certain():
    found = estimate(np.full((3, 1), 0.01))
    assert found.is_above_zero
    assert (found.power, found.units_needed) == (1.0, 2)


def test_nothing_seen_needs_more_draws_than_can_be_counted():
    assert estimate(np.array([[-1.0], [1.0]])).units_needed is None
