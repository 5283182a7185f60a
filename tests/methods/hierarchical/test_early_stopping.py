"""When a level stops learning, and what it is measured by."""

import math

import pytest
import torch
from torch import nn

from curate.methods.hierarchical.early_stopping import CHANCE_LOSS, EarlyStopping, measure_logits
from curate.methods.hierarchical.networks import Inputs


def make_networks(value):
    networks = nn.Linear(1, 1)
    with torch.no_grad():
        networks.weight.fill_(value)
    return networks


def update(stopping, networks, value, loss):
    """Move the networks on to a value, and tell the stopping how well they do there."""
    with torch.no_grad():
        networks.weight.fill_(value)
    stopping.update(loss, networks)
    return networks.weight.item()


def test_networks_return_to_the_best_when_patience_runs_out():
    stopping, networks = EarlyStopping(patience=2), make_networks(0.0)
    assert update(stopping, networks, 1.0, 0.6) == 1
    assert update(stopping, networks, 2.0, 0.5) == 2  # the best
    assert update(stopping, networks, 3.0, 0.5) == 3  # as good is no better
    assert stopping.is_training
    assert update(stopping, networks, 4.0, 0.7) == 2
    assert not stopping.is_training
    assert stopping.best_loss == 0.5


def test_improvement_gives_patience_anew():
    stopping, networks = EarlyStopping(patience=2), make_networks(0.0)
    for value, loss in ((1.0, 0.6), (2.0, 0.7), (3.0, 0.5), (4.0, 0.6)):
        update(stopping, networks, value, loss)
        assert stopping.is_training
    assert update(stopping, networks, 5.0, 0.6) == 3


def test_level_that_stopped_takes_no_note_of_anything():
    stopping, networks = EarlyStopping(patience=1), make_networks(0.0)
    update(stopping, networks, 1.0, 0.6)
    update(stopping, networks, 2.0, 0.7)
    assert update(stopping, networks, 9.0, 0.1) == 9
    assert (stopping.best_loss, stopping.is_training) == (0.6, False)


def test_level_that_was_never_measured_finite_stays_as_it_is():
    stopping, networks = EarlyStopping(patience=1), make_networks(0.0)
    assert update(stopping, networks, 1.0, math.inf) == 1
    assert not stopping.is_training
    assert stopping.best is None


def test_restored_stopping_goes_on():
    stopping, networks = EarlyStopping(patience=2), make_networks(0.0)
    update(stopping, networks, 1.0, 0.6)
    update(stopping, networks, 2.0, 0.7)
    restored = EarlyStopping(patience=2)
    restored.load(stopping.state())
    assert (restored.best_loss, restored.since_best) == (0.6, 1)
    assert update(restored, networks, 3.0, 0.7) == 1


def test_loss_of_chance_is_that_of_logits_of_zero():
    assert pytest.approx(math.log(2)) == CHANCE_LOSS


def inputs_of(channel, valid, is_real):
    channel = torch.tensor(channel)
    return Inputs(
        maps=torch.zeros(len(channel), 1, *channel.shape[1:]),
        valid=torch.tensor(valid),
        channel=channel,
        is_real=torch.tensor(is_real),
        keys=("k",) * len(channel),
    )


def test_held_out_loss_and_area_by_hand():
    # two batches of an image each, two cells an image; logits ln 3: probability 3/4
    up = math.log(3)
    real = inputs_of([[[0, 0]]], [[[True, True]]], [True])
    synthetic = inputs_of([[[0, 0]]], [[[True, False]]], [False])
    logits = [torch.tensor([[[up, -up]]]), torch.tensor([[[-up, 50.0]]])]
    found = measure_logits(logits, [real, synthetic], smoothing=0.0, level="pixel")
    # real: (ln 4/3 + ln 4) / 2, synthetic: ln 4/3; the domains count the same
    real_loss, synthetic_loss = (math.log(4 / 3) + math.log(4)) / 2, math.log(4 / 3)
    assert found["loss"] == pytest.approx((real_loss + synthetic_loss) / 2, rel=1e-5)
    assert found["auroc"] == 0.75  # one of two real cells outranks, one ties


def test_targets_are_smoothed():
    batches = [inputs_of([[[0]]], [[[True]]], [True]), inputs_of([[[0]]], [[[True]]], [False])]
    up = math.log(3)
    logits = [torch.tensor([[[up]]]), torch.tensor([[[-up]]])]
    found = measure_logits(logits, batches, smoothing=0.1, level="pixel")
    expected = 0.9 * math.log(4 / 3) + 0.1 * math.log(4)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_classes_count_the_same():
    # class 1 is right in both domains, class 2, with more cells, wrong in both
    up = math.log(3)
    batches = [
        inputs_of([[[1, 2, 2, 2]]], [[[True] * 4]], [True]),
        inputs_of([[[1, 2, 2, 2]]], [[[True] * 4]], [False]),
    ]
    logits = [torch.tensor([[[up, -up, -up, -up]]]), torch.tensor([[[-up, up, up, up]]])]
    found = measure_logits(logits, batches, smoothing=0.0, level="pixel")
    assert found["loss"] == pytest.approx((math.log(4 / 3) + math.log(4)) / 2, rel=1e-5)


def test_image_level_counts_images_by_their_mean_probability():
    # by cells 2 of 3 synthetic ones outrank; by images the real one does, 0.75 against 0.7
    valid = [[[True, True, True]]]
    batches = [inputs_of([[[0] * 3]], [[[True, False, False]]], [True])]
    batches += [
        inputs_of([[[0] * 3]], valid, [False]),
        inputs_of([[[0] * 3]], [[[False] * 3]], [False]),
    ]
    logits = [
        torch.tensor([[[0.75, 0.01, 0.01]]]).logit(),
        torch.tensor([[[0.99, 0.99, 0.12]]]).logit(),
        torch.tensor([[[0.99, 0.99, 0.99]]]).logit(),  # nothing valid: no image
    ]
    assert measure_logits(logits, batches, smoothing=0.0, level="image")["auroc"] == 1
    area = measure_logits(logits, batches, smoothing=0.0, level="pixel")["auroc"]
    assert area == pytest.approx(1 / 3)


def test_one_domain_alone_measures_nothing():
    view = inputs_of([[[0]]], [[[True]]], [True])
    found = measure_logits([torch.zeros(1, 1, 1)], [view], smoothing=0.0, level="pixel")
    assert found["loss"] == math.inf
    assert math.isnan(found["auroc"])
