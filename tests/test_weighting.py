import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curate.downstream.weights import weights_from_scores
from curate.errors import DataError
from curate.weighting import WeightRule, fit_weight_rule


def test_power_is_the_largest_within_the_bound():
    # half the mass at 1, half at s: ESS(w) = (1 + s^g)^2 / (2 (1 + s^2g)); at g = 8 and
    # s = 0.8 that is (1 + .168)^2 / (2 * 1.028) = .663
    histogram = np.zeros(256)
    histogram[[204, 255]] = 1
    assert fit_weight_rule(histogram, min_ess=0.6).power == 8.0
    power = fit_weight_rule(histogram, min_ess=0.8).power
    ess = (1 + 0.8**power) ** 2 / (2 * (1 + 0.8 ** (2 * power)))
    assert ess == pytest.approx(0.8, abs=1e-6)


def test_rule_works_on_tensors_as_on_arrays():
    rule = WeightRule(power=2.0, mean_power=0.25, mean_clipped=0.9, clip=3.0, uniform=0.1)
    scores = np.array([[0.1, 0.9], [0.5, 1.0]])
    assert rule(torch.tensor(scores)).numpy() == pytest.approx(rule(scores))
    assert rule(np.array([1.0]))[0] == pytest.approx(0.1 + 0.9 * 3.0 / 0.9)


def test_empty_histogram_is_refused():
    with pytest.raises(DataError, match="at least one scored pixel"):
        weights_from_scores([np.nan])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_where_every_score_is_0_so_is_every_weight(dtype):
    rule = fit_weight_rule(np.array([3.0, 0.0]), uniform=0.0)
    assert torch.equal(rule(torch.zeros(2, dtype=dtype)), torch.zeros(2, dtype=dtype))


@given(st.lists(st.integers(0, 255), min_size=1, max_size=50), st.floats(0.1, 1.0))
def test_weights_have_mean_one_are_bounded_and_keep_the_order(levels, min_ess):
    scores = np.array(levels) / 255
    if scores.max() == 0:
        return
    weights = weights_from_scores(scores, min_ess=min_ess)
    assert weights.mean() == pytest.approx(1, abs=1e-6)
    assert weights.min() >= 0.1 - 1e-9
    order = np.argsort(scores, kind="stable")
    assert np.all(np.diff(weights[order]) >= -1e-9)
    assert weights.sum() ** 2 / (len(weights) * (weights**2).sum()) >= min_ess - 1e-6
