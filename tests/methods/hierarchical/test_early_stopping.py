"""When a level stops learning, and what it is measured by."""

import math

import pytest
import torch
from torch import nn

from curate.methods.hierarchical.early_stopping import LevelEvaluation, pool_measurements
from curate.methods.hierarchical.networks import View


def make_networks(value):
    networks = nn.Linear(1, 1)
    with torch.no_grad():
        networks.weight.fill_(value)
    return networks


def update(evaluation, networks, value, loss):
    """Move the networks on to a value, and tell the evaluation how well they do there."""
    with torch.no_grad():
        networks.weight.fill_(value)
    evaluation.update(loss, networks)
    return networks.weight.item()


def test_networks_return_to_the_best_when_patience_runs_out():
    evaluation, networks = LevelEvaluation(patience=2), make_networks(0.0)
    assert update(evaluation, networks, 1.0, 0.6) == 1
    assert update(evaluation, networks, 2.0, 0.5) == 2  # the best
    assert update(evaluation, networks, 3.0, 0.5) == 3  # as good is no better
    assert evaluation.is_learning
    assert update(evaluation, networks, 4.0, 0.7) == 2
    assert not evaluation.is_learning
    assert evaluation.best_loss == 0.5


def test_improvement_gives_patience_anew():
    evaluation, networks = LevelEvaluation(patience=2), make_networks(0.0)
    for value, loss in ((1.0, 0.6), (2.0, 0.7), (3.0, 0.5), (4.0, 0.6)):
        update(evaluation, networks, value, loss)
        assert evaluation.is_learning
    assert update(evaluation, networks, 5.0, 0.6) == 3


def test_level_that_stopped_takes_no_note_of_anything():
    evaluation, networks = LevelEvaluation(patience=1), make_networks(0.0)
    update(evaluation, networks, 1.0, 0.6)
    update(evaluation, networks, 2.0, 0.7)
    assert update(evaluation, networks, 9.0, 0.1) == 9
    assert (evaluation.best_loss, evaluation.is_learning) == (0.6, False)


def test_level_that_was_never_measured_finite_stays_as_it_is():
    evaluation, networks = LevelEvaluation(patience=1), make_networks(0.0)
    assert update(evaluation, networks, 1.0, math.inf) == 1
    assert not evaluation.is_learning
    assert evaluation.best is None


def test_restored_evaluation_goes_on():
    evaluation, networks = LevelEvaluation(patience=2), make_networks(0.0)
    update(evaluation, networks, 1.0, 0.6)
    update(evaluation, networks, 2.0, 0.7)
    restored = LevelEvaluation(patience=2)
    restored.load(evaluation.state())
    assert (restored.best_loss, restored.since_best) == (0.6, 1)
    assert update(restored, networks, 3.0, 0.7) == 1


def test_signal_is_a_loss_below_that_of_having_no_opinion():
    evaluation = LevelEvaluation(patience=1)
    assert evaluation.has_signal(0.693)
    assert not evaluation.has_signal(math.log(2))
    assert not evaluation.has_signal(math.inf)


def view_of(channel, valid, is_real):
    channel = torch.tensor(channel)
    return View(
        inputs=torch.zeros(len(channel), 1, *channel.shape[1:]),
        valid=torch.tensor(valid),
        channel=channel,
        is_real=torch.tensor(is_real),
        keys=("k",) * len(channel),
    )


def test_held_out_loss_and_area_by_hand():
    # two views of an image each, two cells an image; logits ln 3: probability 3/4
    up = math.log(3)
    real = view_of([[[0, 0]]], [[[True, True]]], [True])
    synthetic = view_of([[[0, 0]]], [[[True, False]]], [False])
    logits = [torch.tensor([[[up, -up]]]), torch.tensor([[[-up, 50.0]]])]
    found = pool_measurements(logits, [real, synthetic], smoothing=0.0, level="pixel")
    # real: (ln 4/3 + ln 4) / 2, synthetic: ln 4/3; the domains count the same
    real_loss, synthetic_loss = (math.log(4 / 3) + math.log(4)) / 2, math.log(4 / 3)
    assert found["loss"] == pytest.approx((real_loss + synthetic_loss) / 2, rel=1e-5)
    assert found["auroc"] == 0.75  # one of two real cells outranks, one ties


def test_targets_are_smoothed():
    views = [view_of([[[0]]], [[[True]]], [True]), view_of([[[0]]], [[[True]]], [False])]
    up = math.log(3)
    logits = [torch.tensor([[[up]]]), torch.tensor([[[-up]]])]
    found = pool_measurements(logits, views, smoothing=0.1, level="pixel")
    expected = 0.9 * math.log(4 / 3) + 0.1 * math.log(4)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_classes_count_the_same():
    # class 1 is right in both domains, class 2, with more cells, wrong in both
    up = math.log(3)
    views = [
        view_of([[[1, 2, 2, 2]]], [[[True] * 4]], [True]),
        view_of([[[1, 2, 2, 2]]], [[[True] * 4]], [False]),
    ]
    logits = [torch.tensor([[[up, -up, -up, -up]]]), torch.tensor([[[-up, up, up, up]]])]
    found = pool_measurements(logits, views, smoothing=0.0, level="pixel")
    assert found["loss"] == pytest.approx((math.log(4 / 3) + math.log(4)) / 2, rel=1e-5)


def test_image_level_counts_images_by_their_mean_probability():
    # by cells 2 of 3 synthetic ones outrank; by images the real one does, 0.75 against 0.7
    valid = [[[True, True, True]]]
    views = [view_of([[[0] * 3]], [[[True, False, False]]], [True])]
    views += [view_of([[[0] * 3]], valid, [False]), view_of([[[0] * 3]], [[[False] * 3]], [False])]
    logits = [
        torch.tensor([[[0.75, 0.01, 0.01]]]).logit(),
        torch.tensor([[[0.99, 0.99, 0.12]]]).logit(),
        torch.tensor([[[0.99, 0.99, 0.99]]]).logit(),  # nothing valid: no image
    ]
    assert pool_measurements(logits, views, smoothing=0.0, level="image")["auroc"] == 1
    area = pool_measurements(logits, views, smoothing=0.0, level="pixel")["auroc"]
    assert area == pytest.approx(1 / 3)


def test_one_domain_alone_measures_nothing():
    view = view_of([[[0]]], [[[True]]], [True])
    found = pool_measurements([torch.zeros(1, 1, 1)], [view], smoothing=0.0, level="pixel")
    assert found["loss"] == math.inf
    assert math.isnan(found["auroc"])
