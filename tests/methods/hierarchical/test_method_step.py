"""A step, a penalty and scores of the three levels, whose networks start with logits of 0."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from curate.methods.hierarchical.inputs import InputStack
from tests.methods.test_contract import NUM_CLASSES, build, evidence_of

LEVELS = ("image", "region", "pixel")


def set_logits(method, **logits):
    """Make the networks of levels return one logit for every cell, and return their parameters."""

    class Constant(nn.Module):
        def __init__(self, logit):
            super().__init__()
            self.logit = nn.Parameter(torch.tensor(logit))

        def forward(self, inputs, valid):
            method.seen = inputs
            shape = (len(valid), 1 + NUM_CLASSES, *valid.shape[1:])
            return self.logit.expand(shape)

    for level, logit in logits.items():
        folded = method.networks[level]
        folded.networks = nn.ModuleList(Constant(logit) for _ in folded.networks)
    return {level: method.networks[level].networks[0].logit for level in logits}


def by_hand(value):
    return pytest.approx(value, rel=1e-5)


def test_first_step_measures_chance():
    weights, measured = build("hierarchical").step(evidence_of(), is_warmup=False)
    # 0.5 lies between two bins of the histogram of scores: hence not 1 to the last digit
    assert torch.allclose(weights, torch.ones(4, 6, 8), atol=1e-3)
    # with a channel a class: the loss of the shared one and that of the classes, log 2 each
    for level in LEVELS:
        assert measured[f"loss_{level}"] == by_hand(2 * math.log(2))
        assert measured[f"weight_{level}"] == by_hand(0.5)
    assert measured["ess"] == by_hand(1)
    assert set(measured) == {f"{m}_{level}" for m in ("loss", "weight") for level in LEVELS} | {
        "ess"
    }


def test_loss_and_score_of_each_level_are_its_own():
    # logit ln 3: probability 3/4; without smoothing (ln 4/3 + ln 4) / 2 in each of both losses
    method = build("hierarchical", smoothing=0.0, min_class_px=1)
    set_logits(method, image=math.log(3), region=0.0, pixel=-math.log(3))
    weights, measured = method.step(evidence_of(), is_warmup=False)
    sure = math.log(4 / 3) + math.log(4)
    for level, score, loss in zip(
        LEVELS, (3 / 4, 1 / 2, 1 / 4), (sure, 2 * math.log(2), sure), strict=True
    ):
        assert measured[f"weight_{level}"] == by_hand(score)
        assert measured[f"loss_{level}"] == by_hand(loss)
    assert torch.allclose(weights, torch.ones(4, 6, 8), atol=1e-3)  # one score for all: mean 1


def test_inactive_level_counts_a_half_and_goes_on_learning():
    method = build("hierarchical", levels=["image", "pixel"])
    networks = set_logits(method, image=3.0, pixel=3.0)
    method.is_inactive[1] = True
    _, measured = method.step(evidence_of(), is_warmup=False)
    assert measured["weight_image"] == by_hand(torch.tensor(3.0).sigmoid().item())
    assert measured["weight_pixel"] == 0.5
    assert networks["pixel"].item() != 3
    scores = method.scores(evidence_of())
    assert torch.equal(scores.pixel, torch.full((4, 6, 8), 0.5))
    assert scores.image.unique().tolist() == [by_hand(networks["image"].sigmoid().item())]
    assert torch.equal(scores.region, torch.full((4, 6, 8), 0.5))  # there is no such level
    assert torch.allclose(scores.combined, (scores.image + scores.pixel) / 2)


def test_level_that_stopped_is_left_as_it_is_and_still_scores():
    method = build("hierarchical", levels=["image", "pixel"], patience=1)
    networks = set_logits(method, image=1.0, pixel=1.0)
    held_out = [evidence_of(9)]
    for _ in range(2):  # no better at the second time
        method.evaluate(held_out, is_last=False)
    _, measured = method.step(evidence_of(), is_warmup=False)
    assert (networks["image"].item(), networks["pixel"].item()) == (1, 1)
    assert math.isfinite(measured["loss_pixel"])


def test_only_levels_that_still_learn_take_steps():
    method = build("hierarchical", levels=["image", "pixel"], weight_decay=0.0)
    networks = set_logits(method, image=1.0, pixel=1.0)
    method.stopping["image"].since_best = 99
    method.step(evidence_of(), is_warmup=False)
    assert networks["image"].item() == 1
    # down the gradient, of which both domains cancel but for 3/4 against 1/2: a full rate of Adam
    assert networks["pixel"].item() == by_hand(1 - 1e-3)


def test_warmup_weighs_one_and_learns_nothing():
    method = build("hierarchical")
    networks = set_logits(method, image=1.0, region=1.0, pixel=1.0)
    weights, measured = method.step(evidence_of(), is_warmup=True)
    assert torch.equal(weights, torch.ones(4, 6, 8))
    assert measured == {}
    assert [value.item() for value in networks.values()] == [1, 1, 1]


def with_features(seed, value):
    return replace(evidence_of(seed), features={"0": torch.full((4, 2, 6, 8), value)})


def stage_method():
    """Make a method whose stack of inputs is that of a stage of two channels."""
    method = build("hierarchical", levels=["pixel"])
    method.stack = InputStack(["0"], num_classes=NUM_CLASSES, feature_channels={"0": 2})
    set_logits(method, pixel=0.0)
    return method


def test_features_are_standardised_by_the_warmup_alone():
    method = stage_method()
    for value in (1.0, 3.0):
        method.step(with_features(0, value), is_warmup=True)
    method.step(with_features(0, 90.0), is_warmup=False)
    assert method.stack.count == 2 * 4 * 6 * 8
    assert method.stack.mean.tolist() == [2, 2]
    assert method.stack.variance.tolist() == [1, 1]


def test_features_are_standardised_by_the_first_step_where_there_is_no_warmup():
    method = stage_method()
    for value in (5.0, 90.0):
        method.step(with_features(0, value), is_warmup=False)
    assert method.stack.mean.tolist() == [5, 5]
    assert method.stack.count == 4 * 6 * 8


def test_networks_see_the_named_inputs():
    method = build("hierarchical", inputs=["predictions", "label"], levels=["pixel"])
    set_logits(method, pixel=0.0)
    evidence = evidence_of()
    method.scores(evidence)
    assert torch.equal(method.seen[:, :NUM_CLASSES], evidence.predictions)
    assert torch.equal(method.seen[:, NUM_CLASSES:].argmax(dim=1), evidence.label_map)


def test_penalty_is_the_loss_of_calling_synthetic_cells_real():
    method = build("hierarchical", adversarial=0.25, smoothing=0.1)
    assert method.has_penalty
    assert not build("hierarchical").has_penalty
    evidence = evidence_of()
    assert method.penalty(evidence.predictions, evidence).item() == by_hand(0.25 * math.log(2))
    set_logits(method, image=math.log(3), region=0.0, pixel=-math.log(3))
    up, down = math.log(4 / 3), math.log(4)
    losses = [0.9 * up + 0.1 * down, math.log(2), 0.9 * down + 0.1 * up]
    found = method.penalty(evidence.predictions, evidence).item()
    assert found == by_hand(0.25 * sum(losses) / 3)


def test_penalty_of_a_batch_without_synthetic_cells_is_nothing():
    method = build("hierarchical", adversarial=0.25)
    evidence = replace(evidence_of(), is_real=torch.ones(4, dtype=torch.bool))
    assert method.penalty(evidence.predictions, evidence).item() == 0


@pytest.mark.parametrize(
    ("areas", "warns"),
    [
        ((0.5, 0.549, 0.1), True),
        ((0.5, 0.55, 0.1), False),
        ((math.nan, 0.5, math.nan), True),
        ((math.nan, 0.9, math.nan), False),
        ((math.nan,) * 3, False),  # of images of one domain alone nothing is known
        ((), False),
    ],
)
def test_warning_where_every_level_is_near_chance(areas, warns):
    measured = {f"auroc_{level}": area for level, area in zip(LEVELS, areas, strict=False)}
    message = build("hierarchical").warning(measured)
    assert (message is not None) == warns
    if warns:
        best = max(area for area in areas if not math.isnan(area))
        assert f"best AUROC {best:.2f}" in message
        assert "Weights are near uniform" in message


def test_evaluation_measures_every_level_and_makes_those_without_a_signal_inactive():
    method = build("hierarchical", levels=["image", "pixel"])
    set_logits(method, image=0.0, pixel=2.0)  # all are real: worse than chance
    measured = method.evaluate([evidence_of(9)], is_last=False)
    assert measured["held_out_loss_image"] == by_hand(math.log(2))
    assert measured["held_out_loss_pixel"] > math.log(2)
    assert measured["auroc_image"] == measured["auroc_pixel"] == 0.5
    assert method.is_inactive.tolist() == [True, True]


def test_last_evaluation_keeps_the_present_networks_where_they_are_better():
    method = build("hierarchical", levels=["pixel"], smoothing=0.0)
    network = set_logits(method, pixel=2.0)["pixel"]
    held_out = [evidence_of(9)]
    worse = method.evaluate(held_out, is_last=False)["held_out_loss_pixel"]
    with torch.no_grad():
        network.fill_(0.5)
    last = method.evaluate(held_out, is_last=True)["held_out_loss_pixel"]
    assert network.item() == 0.5
    assert last < worse
    with torch.no_grad():
        network.fill_(3.0)
    assert method.evaluate(held_out, is_last=True)["held_out_loss_pixel"] == by_hand(worse)
    assert network.item() == 2


def test_optimiser_is_the_one_of_the_reference():
    method = build("hierarchical", learning_rate=0.5, weight_decay=0.25)
    defaults = method._make_optimizer().defaults
    names = ("lr", "weight_decay", "betas", "eps")
    assert [defaults[name] for name in names] == [0.5, 0.25, (0.9, 0.99), 1e-6]
    assert method._make_optimizer() is method._make_optimizer()
