"""Networks of a level: which image trains which network, the loss, and which one scores it."""

import math

import pytest
import torch
from torch import nn

from curate.methods import Split
from curate.methods.hierarchical.networks import FoldedNetworks, Inputs

KEYS = ("r0:a", "s0:a", "r0:b", "s0:b")
UP = math.log(3)  # probability 3/4


class Constant(nn.Module):
    """Returns the same for every cell, a logit a channel."""

    def __init__(self, *logits):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, inputs, valid):
        num, _, height, width = inputs.shape
        return self.logits.view(1, -1, 1, 1).expand(num, -1, height, width)


class Fixed(nn.Module):
    """Returns what it was given for each image, (N, K, h, w)."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, inputs, valid):
        return self.logits


def inputs_of(channel, valid=None, keys=KEYS):
    channel = torch.tensor(channel).view(4, 1, -1)
    valid = torch.ones(channel.shape, dtype=torch.bool) if valid is None else valid
    is_real = torch.tensor([True, False, True, False])
    return Inputs(torch.zeros(4, 1, *channel.shape[1:]), valid, channel, is_real, keys)


def make(networks, splits, num_channels=1, smoothing=0.0):
    return FoldedNetworks(
        networks,
        splits={key: Split(*split) for key, split in splits.items()},
        num_channels=num_channels,
        smoothing=smoothing,
    )


NOT_HELD_OUT = dict.fromkeys(KEYS, (False, 0))


def test_loss_of_the_shared_channel_by_hand():
    folds = make([Constant(UP)], NOT_HELD_OUT)
    picked, loss = folds.logits_and_loss(inputs_of([0, 0, 0, 0]))
    assert picked.flatten().tolist() == pytest.approx([UP] * 4)
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)


def test_targets_of_every_channel_are_smoothed():
    by_domain = torch.tensor([UP, -UP, UP, -UP]).view(4, 1, 1, 1)
    smoothed = 0.9 * math.log(4 / 3) + 0.1 * math.log(4)
    shared = make([Fixed(by_domain)], NOT_HELD_OUT, smoothing=0.1)
    assert shared.logits_and_loss(inputs_of([0] * 4))[1].item() == pytest.approx(smoothed)
    logits = by_domain.expand(4, 2, 1, 1)
    both = make([Fixed(logits)], NOT_HELD_OUT, num_channels=2, smoothing=0.1)
    assert both.logits_and_loss(inputs_of([1] * 4))[1].item() == pytest.approx(2 * smoothed)


def test_class_channels_add_a_loss_of_their_own():
    # Shared: chance, ln 2. Class 1 is in both domains: its logit UP. Class 2 is in one
    # domain only, and cells that read the shared channel, 0, are in no class.
    folds = make([Constant(0.0, UP, 9.0)], NOT_HELD_OUT, num_channels=3)
    picked, loss = folds.logits_and_loss(inputs_of([1, 1, 2, 0]))
    assert picked.flatten().tolist() == pytest.approx([UP, UP, 9, 0])
    assert loss.item() == pytest.approx(math.log(2) + (math.log(4 / 3) + math.log(4)) / 2)


def test_cells_that_read_the_shared_channel_are_no_class():
    # both images read channel 0: with channels of classes, too, it has its one loss
    folds = make([Constant(UP, 0.0)], NOT_HELD_OUT, num_channels=2)
    _, loss = folds.logits_and_loss(inputs_of([0, 0, 0, 0]))
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)


def test_held_out_and_unknown_images_and_ignored_cells_do_not_count():
    splits = {"r0:a": (False, 0), "s0:a": (False, 0), "r0:b": (True, 0)}  # s0:b is unknown

    logits = torch.tensor([[UP, 50.0], [UP, 50.0], [-50.0, -50.0], [50.0, 50.0]])
    valid = torch.tensor([[True, False]] * 4).view(4, 1, 2)
    _, loss = make([Fixed(logits.view(4, 1, 1, 2))], splits).logits_and_loss(
        inputs_of([[0, 0]] * 4, valid)
    )
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)


def test_each_network_learns_from_the_other_folds_and_losses_are_averaged():
    # Fold 0: a, fold 1: b. So network 0 is trained on b, network 1 on a. The logits fit their own
    # images only: network 0 has UP on what it must not be trained on.
    splits = {"r0:a": (False, 0), "s0:a": (False, 0), "r0:b": (False, 1), "s0:b": (False, 1)}

    logits = [[UP, UP, 0.0, 0.0], [math.log(7), math.log(7), -50.0, -50.0]]
    folds = make([Fixed(torch.tensor(each).view(4, 1, 1, 1)) for each in logits], splits)
    picked, loss = folds.logits_and_loss(inputs_of([0] * 4))
    # network 0: chance on b, ln 2; network 1: probability 7/8 of a, (ln 8/7 + ln 8) / 2
    expected = (math.log(2) + (math.log(8 / 7) + math.log(8)) / 2) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    # a is scored by network 0, b by network 1
    assert picked.flatten().tolist() == pytest.approx([UP, UP, -50, -50])
    assert torch.equal(folds(inputs_of([0] * 4)), picked)


def test_unknown_images_are_scored_by_the_mean_of_all():
    splits = {"r0:a": (False, 1)}
    folds = make([Constant(1.0), Constant(4.0)], splits)
    scored = folds(inputs_of([0] * 4)).flatten()
    assert scored.tolist() == [4, 2.5, 2.5, 2.5]
