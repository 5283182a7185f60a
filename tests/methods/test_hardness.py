"""The filter of pixels by their loss, by hand on references whose predictions are given."""

import math

import torch

from curate.methods.hardness import Hardness
from tests.methods.test_out_of_fold import evidence_of, make_method

EASY, HARD = -math.log(0.8), -math.log(0.5)
SEEN = evidence_of(["s0:a", "s0:a", "s0:b", "r0:a"], [[0, 255], [0, 0], [0, 1], [0, 0]])
# The reference of fold 0 says .8 for class 0, that of fold 1 a half for both.
MEAN = (3 * EASY + HARD) / 4


def test_cells_beyond_the_tolerance_are_left_out():
    method = make_method(Hardness)
    weights, metrics = method.step(SEEN, is_warmup=False)
    assert EASY < 1.25 * MEAN < HARD
    expected = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]) / 0.8  # 4 of 5 are kept
    valid = SEEN.label_map[:3, 0] != 255
    torch.testing.assert_close(weights[:3, 0][valid], expected[valid], atol=1e-5, rtol=0)
    assert torch.equal(weights[3], torch.ones(1, 2))
    assert round(metrics["ess"], 4) == 0.8


def test_tolerance_is_a_multiple_of_the_mean():
    method = make_method(Hardness, tolerance=2.1)
    weights, _ = method.step(SEEN, is_warmup=False)
    assert 2.1 * MEAN > HARD
    torch.testing.assert_close(weights[SEEN.label_map != 255], torch.ones(7))


def test_score_is_a_half_where_the_tolerance_ends():
    method = make_method(Hardness)
    method.step(SEEN, is_warmup=False)
    found = method.scores(SEEN)
    limit = 1.25 * MEAN
    expected = torch.tensor([limit / (limit + EASY), limit / (limit + HARD)])
    torch.testing.assert_close(found.pixel[1:3, 0, 0], expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.pixel[2, 0, 1].item(), 1.25 / 2.25, atol=1e-3, rtol=0)
    assert found.worth.combined[1:3, 0].tolist() == [[1, 1], [0, 1]]
    assert found.worth.image[2, 0].tolist() == [0.5, 0.5]


def test_means_are_over_all_that_was_seen():
    method = make_method(Hardness)
    for _ in range(2):
        method.step(SEEN, is_warmup=False)
    method.step(SEEN.pick([2]), is_warmup=False)
    found = (method.loss_sums / method.loss_counts).float()
    expected = torch.tensor([(6 * EASY + 3 * HARD) / 9, HARD])
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_class_that_was_never_seen_is_set_against_all():
    method = make_method(Hardness)
    method.step(SEEN.pick([0, 1]), is_warmup=False)
    pixel = method.scores(evidence_of(["s0:a"], [[1]])).pixel.item()
    expected = 1.25 * EASY / (1.25 * EASY - math.log(0.2))
    assert abs(pixel - expected) < 1e-3
