import math

import pytest
import torch

from curate.methods.hierarchical.networks import (
    balance,
    channel_lookup,
    read_channel,
    realism_loss,
)

REAL_AND_SYNTHETIC = torch.tensor([True, False])


def test_rare_classes_and_ignored_cells_read_the_shared_channel():
    lookup = channel_lookup(torch.tensor([5000, 10, 5000]), min_px=2000, per_class=True)
    assert lookup[[0, 1, 2, 255]].tolist() == [1, 0, 3, 0]


def test_shared_channels_ignore_the_class():
    lookup = channel_lookup(torch.tensor([5000, 5000]), min_px=1, per_class=False)
    assert lookup.sum() == 0


def test_each_cell_reads_its_own_channel():
    logits = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1).expand(1, 3, 1, 2)
    assert read_channel(logits, torch.tensor([[[2, 0]]])).tolist() == [[[3.0, 1.0]]]


def test_balance_gives_domains_and_classes_the_same_weight():
    # class 0: one real cell, two synthetic; class 1: two real cells, one synthetic
    group = torch.tensor([[[0, 1, 1]], [[0, 0, 1]]])
    weights = balance(group, REAL_AND_SYNTHETIC, torch.ones(2, 1, 3, dtype=torch.bool), 2)
    assert weights.tolist() == [[[0.5, 0.25, 0.25]], [[0.25, 0.25, 0.5]]]


def test_a_class_of_one_domain_only_does_not_count():
    group = torch.tensor([[[0, 1]], [[0, 0]]])
    weights = balance(group, REAL_AND_SYNTHETIC, torch.ones(2, 1, 2, dtype=torch.bool), 2)
    assert weights.tolist() == [[[1.0, 0.0]], [[0.5, 0.5]]]


def test_unusable_cells_do_not_count():
    usable = torch.tensor([[[True, False]], [[True, True]]])
    weights = balance(torch.zeros(2, 1, 2, dtype=torch.int64), REAL_AND_SYNTHETIC, usable, 1)
    assert weights.tolist() == [[[1.0, 0.0]], [[0.5, 0.5]]]


def test_loss_of_logit_zero_is_log_two():
    weights = torch.tensor([[[1.0]], [[1.0]]])
    loss = realism_loss(torch.zeros(2, 1, 1), REAL_AND_SYNTHETIC, weights, smoothing=0.05)
    assert loss.item() == pytest.approx(math.log(2))


def test_loss_is_least_at_the_smoothed_targets():
    weights = torch.ones(2, 1, 1)
    best = math.log(0.95 / 0.05)
    picked = torch.tensor([best, -best]).view(2, 1, 1).requires_grad_()
    realism_loss(picked, REAL_AND_SYNTHETIC, weights, smoothing=0.05).backward()
    assert picked.grad.abs().max() < 1e-6
