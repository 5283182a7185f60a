from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from curate.downstream import weighted_cross_entropy
from curate.errors import UsageError


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 4, 4, generator=generator)
    label_map = torch.randint(0, 3, (2, 4, 4), generator=generator)
    label_map[0, 0] = 255
    return logits, label_map, torch.rand(2, 4, 4, generator=generator)


def test_weights_of_one_are_the_plain_loss():
    logits, label_map, weights = batch()
    loss = weighted_cross_entropy(logits, label_map, torch.ones_like(weights))
    torch.testing.assert_close(loss, F.cross_entropy(logits, label_map, ignore_index=255))


def test_ignored_pixels_are_in_neither_sum():
    """By hand: log 2 times (3 + 1) over 2 valid pixels; the third would have added 100."""
    logits = torch.zeros(1, 2, 1, 3, requires_grad=True)
    label_map = torch.tensor([[[0, 1, 255]]], dtype=torch.uint8)
    for ignored in (100.0, math.nan, math.inf):
        weights = torch.tensor([[[3.0, 1.0, ignored]]])
        loss = weighted_cross_entropy(logits, label_map, weights)
        assert loss.item() == pytest.approx(2 * math.log(2))
        (gradient,) = torch.autograd.grad(loss, logits)
        assert gradient[..., 2].tolist() == [[[0], [0]]]


def test_batch_without_a_valid_pixel_costs_nothing_and_can_be_stepped():
    logits = torch.zeros(1, 2, 2, 2, requires_grad=True)
    label_map = torch.full((1, 2, 2), 255)
    loss = weighted_cross_entropy(logits, label_map, torch.ones(1, 2, 2))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_weights_get_no_gradient_and_may_have_a_channel():
    logits, label_map, weights = batch()
    logits.requires_grad_()
    weights.requires_grad_()
    loss = weighted_cross_entropy(logits, label_map, weights[:, None])
    loss.backward()
    assert weights.grad is None
    torch.testing.assert_close(loss, weighted_cross_entropy(logits, label_map, weights))


def test_shapes_that_do_not_fit_are_refused():
    logits, label_map, weights = batch()
    with pytest.raises(UsageError, match=r"weights \(2, 4, 3\) do not fit"):
        weighted_cross_entropy(logits, label_map, weights[..., :3])
