from __future__ import annotations

import numpy as np
import pytest

from curate.downstream.weights import weights_from_scores


def test_equal_scores_weigh_one_each():
    assert weights_from_scores([0.3, 0.3, 0.3]).tolist() == pytest.approx([1, 1, 1])


def test_unscored_pixels_weigh_zero():
    assert weights_from_scores([np.nan, 0.5]).tolist() == [0.0, 1.0]


def test_weights_keep_the_shape_of_the_scores_and_rise_with_them():
    # Power 8 keeps enough of the mass: s = .8 ** 8 = .168, mean .584; each is 90 % of its share
    # of that mean and 10 % of one: .1 + .9 * .168 / .584 and .1 + .9 / .584.
    weights = weights_from_scores(np.array([[0.8, 1.0]]), min_ess=0.6)
    np.testing.assert_allclose(weights, [[0.3587, 1.6413]], atol=1e-3)
