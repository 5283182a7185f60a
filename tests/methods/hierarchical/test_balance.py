"""Which channel a class reads, and how much its cells count."""

import pytest
import torch

from curate.methods.hierarchical.networks import balance, channel_lookup, read_channel, realism_loss


def test_every_value_of_a_label_map_has_a_channel():
    lookup = channel_lookup(torch.tensor([2000, 1999, 2001]), min_px=2000, per_class=True)
    assert lookup.shape == (256,)
    assert lookup.dtype == torch.int64
    assert lookup[:3].tolist() == [1, 0, 3]
    assert lookup[3:].sum() == 0


def test_single_channel_is_read_by_all():
    logits = torch.arange(4.0).view(2, 1, 1, 2)
    channel = torch.tensor([[[0, 3]], [[1, 2]]])
    assert read_channel(logits, channel).tolist() == [[[0, 1]], [[2, 3]]]


def test_weights_of_each_domain_add_up_to_one():
    # Class 0: 3 real cells, 1 synthetic; class 1: 1 real, 2 synthetic; class 2: 1 real alone.
    group = torch.tensor([[[0, 0, 0, 1, 2]], [[0, 1, 1, 0, 0]]])
    usable = torch.tensor([[[True] * 5], [[True, True, True, False, False]]])
    weights = balance(group, torch.tensor([True, False]), usable, 3)
    expected = [[[1 / 6, 1 / 6, 1 / 6, 1 / 2, 0]], [[1 / 2, 1 / 4, 1 / 4, 0, 0]]]
    torch.testing.assert_close(weights, torch.tensor(expected))
    assert weights.dtype == torch.float32


def test_nothing_usable_weighs_nothing():
    group = torch.zeros(2, 1, 2, dtype=torch.int64)
    usable = torch.zeros(2, 1, 2, dtype=torch.bool)
    assert balance(group, torch.tensor([True, False]), usable, 1).abs().max() == 0


def test_loss_is_weighted_and_halved_over_both_domains():
    # logit ln 3 of a real and of a synthetic cell; targets 0.9 and 0.1
    picked = torch.tensor(3.0).log().expand(2, 1, 1)
    weights = torch.tensor([0.5, 2.0]).view(2, 1, 1)
    found = realism_loss(picked, torch.tensor([True, False]), weights, smoothing=0.1)
    right, wrong = torch.tensor([4 / 3, 4.0]).log().tolist()
    real, synthetic = 0.9 * right + 0.1 * wrong, 0.1 * right + 0.9 * wrong
    assert found.item() == pytest.approx((0.5 * real + 2 * synthetic) / 2)
