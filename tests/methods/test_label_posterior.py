"""What the posterior of a label is made of; `test_confidence` has it worked out as a whole."""

import math

import pytest
import torch

from curate.methods.label_posterior import MAX_CLASS_FACTOR, LabelPosterior, mean_of_same_label
from curate.records import Evidence


def weigh(posterior, scores, labels):
    return posterior.weigh(torch.tensor([[scores]]), torch.tensor([[labels]]))[0][0, 0]


def test_no_label_is_counted_where_it_is_ignored():
    posterior = LabelPosterior(3, own=0.5, clip=4.0)
    posterior.count(torch.tensor([[[0, 0, 2, 255]]]))
    posterior.count(torch.tensor([[[2, 255]]]))
    assert posterior.given.tolist() == [2, 0, 2]


def test_own_prediction_of_a_known_image_tells_nothing():
    posterior = LabelPosterior(2, own=1.0, clip=4.0)
    posterior.count(torch.tensor([[[0, 1]]]))
    seen = Evidence(
        predictions=torch.tensor([0.9, 0.1]).view(1, 2, 1, 1).expand(2, 2, 1, 1),
        label_map=torch.zeros(2, 1, 1, dtype=torch.int64),
        images=torch.zeros(2, 3, 4, 4),
        is_real=torch.tensor([True, False]),
        keys=("r0:a", "s0:a"),
    )
    logs = torch.full((2, 2, 1, 1), math.log(0.5))
    pixel = posterior(seen, logs, [True, False]).pixel.flatten()
    torch.testing.assert_close(pixel, torch.tensor([0.5, 0.9 / 1.4]))


def test_weights_are_relative_to_the_class_and_bounded():
    posterior = LabelPosterior(2, own=0.5, clip=1.5)
    weights = weigh(posterior, [0.1, 0.3, 0.8, 0.8, 0.8, 0.8], [0, 0, 1, 1, 1, 1])
    # .1 and .3 are .5 and 1.5 times the mean of their class; the bound is at 1.5 times the mean
    expected = torch.tensor([0.5, 1.5, 1.0, 1.0, 1.0, 1.0])
    torch.testing.assert_close(weights, expected, atol=2e-3, rtol=0)
    bounded = weigh(LabelPosterior(2, own=0.5, clip=1.2), [0.1, 0.3], [0, 0])
    torch.testing.assert_close(bounded, torch.tensor([0.5, 1.2]) / 0.85)


def test_a_class_is_raised_by_so_much_and_no_more():
    posterior = LabelPosterior(2, own=0.5, clip=4.0)
    weights = weigh(posterior, [0.001, 0.9], [0, 1])
    mean = (0.001 + 0.9) / 2
    assert float(weights[0] / weights[1]) == pytest.approx(
        0.001 * MAX_CLASS_FACTOR / (0.9 * mean / 0.9), rel=1e-3
    )


def test_means_of_a_class_follow_what_is_learned():
    posterior = LabelPosterior(1, own=0.5, clip=4.0)
    weigh(posterior, [0.2], [0])
    weigh(posterior, [0.8], [0])
    mean = (0.98 * 0.2 + 0.8) / 1.98
    assert float(posterior.score_sums / posterior.score_counts) == pytest.approx(mean)


def test_mean_is_over_cells_of_the_same_label_within_the_square():
    labels = torch.tensor([[[0, 1, 0], [0, 0, 1], [0, 0, 0]]])
    values = torch.arange(9.0).reshape(1, 3, 3)
    means = mean_of_same_label(values, labels, 3)
    assert means[0, 0, 0] == pytest.approx((0 + 3 + 4) / 3)
    assert means[0, 0, 1] == pytest.approx((1 + 5) / 2)
    assert means[0, 1, 1] == pytest.approx((0 + 2 + 3 + 4 + 6 + 7 + 8) / 7)
