"""Ratings and the weights that follow, worked out by hand on images of a few cells."""

import pytest
import torch

from curate.methods import cellwise
from curate.records import Evidence


class ByImage(cellwise.Cellwise):
    """Rates cells by the red of the pixel at their corner."""

    @classmethod
    def build(cls, settings, context):
        return cls(clip=4.0)

    def rate(self, evidence):
        return evidence.images[:, 0, ::4, ::4]


def evidence_of(ratings, labels, is_real):
    labels = torch.tensor(labels)[:, None]
    cells = torch.tensor(ratings)[:, None, None, :]
    pixels = cells.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    return Evidence(
        predictions=torch.full((len(labels), 2, *labels.shape[1:]), 0.5),
        label_map=labels,
        images=pixels.expand(-1, 3, -1, -1),
        is_real=torch.tensor(is_real),
        keys=tuple(f"{'r' if real else 's'}0:{row}" for row, real in enumerate(is_real)),
    )


def test_weights_are_ratings_over_their_mean_over_the_data_set():
    method = ByImage.build(None, None)
    ratings = [[0.9] * 4, [0.2, 0.6, 0.4, 0.9]]
    seen = evidence_of(ratings, [[0] * 4, [0, 1, 0, 255]], [True, False])
    weights, metrics = method.step(seen, is_warmup=False)
    # the mean of what has a label is .4
    expected = torch.tensor([0.5, 1.5, 1.0])
    torch.testing.assert_close(weights[1, 0, :3], expected, atol=1e-5, rtol=0)
    assert torch.equal(weights[0], torch.ones(1, 4))
    assert metrics["ess"] == pytest.approx(9 / (3 * 3.5), abs=1e-5)
    # the second batch is half as good as the first one, of which .95 is kept
    seen = evidence_of([[0.2] * 4], [[0] * 4], [False])
    weights, _ = method.step(seen, is_warmup=False)
    mean = (0.95 * 3 * 0.4 + 4 * 0.2) / (0.95 * 3 + 4)
    torch.testing.assert_close(weights, torch.full((1, 1, 4), 0.2 / mean), atol=1e-4, rtol=0)


def test_a_weight_is_at_most_a_multiple_of_the_mean():
    method = ByImage.build(None, None)
    seen = evidence_of([[1.0] + [0.0] * 9], [[0] * 10], [False])
    weights, _ = method.step(seen, is_warmup=False)
    rule = method.weight_rule()
    assert float(rule.clip * rule.mean_power) == pytest.approx(0.4, abs=1e-6)
    torch.testing.assert_close(weights[0, 0], torch.tensor([10.0] + [0.0] * 9), atol=1e-4, rtol=0)
    torch.testing.assert_close(rule(torch.tensor([0.3, 0.5])), torch.tensor([7.5, 10.0]))


def test_regions_and_images_are_means_of_what_has_a_label():
    method = ByImage.build(None, None)
    seen = evidence_of([[0.2, 0.6, 0.4, 0.9]], [[0, 1, 0, 255]], [True])
    found = method.scores(seen)
    torch.testing.assert_close(found.pixel[0, 0], torch.tensor([0.2, 0.6, 0.4, 0.5]))
    assert torch.equal(found.combined, found.pixel)
    torch.testing.assert_close(found.region[0, 0], torch.tensor([0.3, 0.6, 0.3, 0.5]))
    torch.testing.assert_close(found.image[0, 0], torch.full((4,), 0.4))
