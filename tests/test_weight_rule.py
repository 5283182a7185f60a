"""Weights of four scores, worked out by hand."""

import inspect

import numpy as np
import pytest

from curate.downstream.weights import weights_from_scores
from curate.errors import DataError
from curate.weighting import NUM_BINS, WeightRule, fit_weight_rule

SCORES = np.array([0.2, 0.4, 0.4, 1.0])  # mean 0.5; of the squares 0.04, 0.16, 0.16, 1 it is 0.34
ONCE = np.ones(4)


def fit(**settings):
    return fit_weight_rule(
        ONCE, SCORES, **({"min_ess": 0.01, "max_power": 1.0, "clip": 9.0, "uniform": 0} | settings)
    )


def test_scores_are_divided_by_their_mean():
    assert fit()(SCORES).tolist() == pytest.approx([0.4, 0.8, 0.8, 2])
    assert fit().power == 1


def test_power_sharpens():
    assert fit(max_power=2.0)(SCORES).tolist() == pytest.approx(
        [4 / 34, 16 / 34, 16 / 34, 100 / 34]
    )


def test_large_weights_are_clipped_and_the_mean_is_one_again():
    # 0.4, 0.8, 0.8, 1.2: mean 0.8
    assert fit(clip=1.2)(SCORES).tolist() == pytest.approx([0.5, 1, 1, 1.5])


def test_uniform_weight_is_mixed_in_after_clipping():
    assert fit(clip=1.2, uniform=0.4)(SCORES).tolist() == pytest.approx([0.7, 1, 1, 1.3])


def test_scores_count_as_often_as_they_occur():
    rule = fit_weight_rule(
        np.array([2, 0, 6]), np.array([0.5, 0.9, 1.0]), min_ess=0.01, max_power=1.0, uniform=0.0
    )
    # two halves and six ones have the mean 7/8
    assert rule(np.array([0.5, 1.0])).tolist() == pytest.approx([4 / 7, 8 / 7])


def test_histogram_covers_the_scores_from_zero_to_one():
    histogram = np.zeros(6)
    histogram[[1, 2, 5]] = 1, 2, 1
    rule = fit_weight_rule(histogram, min_ess=0.01, max_power=1.0, clip=9.0, uniform=0.0)
    assert rule(SCORES).tolist() == pytest.approx([0.4, 0.8, 0.8, 2])
    assert NUM_BINS == 256


def test_power_falls_to_zero_where_half_of_the_scores_are_zero():
    # any power leaves an effective sample size of a half
    rule = fit_weight_rule(ONCE, np.array([0.0, 0.0, 1.0, 1.0]), min_ess=0.6)
    assert rule.power == 0
    assert rule(np.array([0.0, 1.0])).tolist() == [1, 1]
    sharp = fit_weight_rule(ONCE, np.array([0.0, 0.0, 1.0, 1.0]), min_ess=0.5)
    assert sharp.power == 8
    assert sharp(np.array([0.0, 1.0])).tolist() == pytest.approx([0.1, 1.9])


def test_bound_of_the_sample_size_is_reached():
    weights = fit(min_ess=0.9)(SCORES)
    assert weights.sum() ** 2 / (4 * (weights**2).sum()) == pytest.approx(0.9, abs=1e-9)


def test_scores_of_zero_alone_have_the_uniform_share():
    rule = fit_weight_rule(ONCE, np.zeros(4), uniform=0.25)
    assert rule(np.zeros(2)).tolist() == [0.25, 0.25]
    assert rule(np.ones(1)).tolist() == [0.25 + 0.75 * 5]  # of what was not there, at most the clip


def test_defaults_are_those_of_the_reference():
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(fit_weight_rule).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert defaults == {"min_ess": 0.4, "max_power": 8.0, "clip": 5.0, "uniform": 0.1}
    assert WeightRule()(SCORES).tolist() == [1] * 4
    assert weights_from_scores(SCORES).tolist() == fit_weight_rule(ONCE, SCORES)(SCORES).tolist()


def test_weights_keep_the_shape_and_take_the_bound():
    table = np.array([[0.2, np.nan], [0.4, 0.4], [1.0, np.nan]])
    weights = weights_from_scores(table, min_ess=0.9)
    assert weights.shape == (3, 2)
    expected = fit_weight_rule(ONCE, SCORES, min_ess=0.9)(np.array([0.2, 0.4, 0.4, 1.0]))
    assert weights[~np.isnan(table)].tolist() == pytest.approx(expected.tolist())
    assert weights[np.isnan(table)].tolist() == [0, 0]


@pytest.mark.parametrize("mass", [[0, 0], [np.nan, 1], [np.inf, 1]])
def test_histogram_without_a_finite_mass_is_refused(mass):
    with pytest.raises(DataError, match="at least one scored pixel is required") as caught:
        fit_weight_rule(mass)
    assert caught.value.code == "no_scores"
