import math

import pytest
import torch

from curate.errors import ConfigError
from curate.methods import Split
from curate.metrics import auroc
from curate.records import IGNORE_INDEX
from tests.methods.test_contract import KEYS, build, evidence_of

ALL_LEVELS = ("image", "region", "pixel")


def train(method, *, shift, steps=60, evidence=evidence_of):
    for seed in range(steps):
        method.step(evidence(seed, shift=shift), is_warmup=False)
    return method


def area(scores, evidence):
    domain = evidence.is_real[:, None, None].expand_as(scores)
    return auroc(scores.numpy(), domain.numpy())


@pytest.mark.parametrize("channels", ["per_class", "shared"])
def test_every_level_learns_to_separate_the_domains(channels):
    method = train(build("hierarchical", channels=channels, learning_rate=5e-3), shift=2.0)
    evidence = evidence_of(1000, shift=2.0)
    scores = method.scores(evidence)
    for level in ALL_LEVELS:
        assert area(getattr(scores, level), evidence) > 0.7


def test_domains_without_a_difference_score_alike():
    method = train(build("hierarchical"), shift=0.0)
    evidence = evidence_of(1000, shift=0.0)
    assert area(method.scores(evidence).pixel, evidence) == pytest.approx(0.5, abs=0.1)


def test_swapped_domains_turn_the_scores_around():
    def swapped(seed, *, shift):
        evidence = evidence_of(seed, shift=shift)
        evidence.is_real.logical_not_()
        return evidence

    method = train(build("hierarchical", learning_rate=5e-3), shift=2.0, evidence=swapped)
    evidence = evidence_of(1000, shift=2.0)
    assert area(method.scores(evidence).pixel, evidence) < 0.3


def test_class_frequencies_do_not_pass_for_realism_in_per_class_channels():
    def rare_in_real(seed, *, shift):
        evidence = evidence_of(seed, shift=shift)
        evidence.label_map[:2] = (torch.rand(2, 6, 8) < 0.2).long()
        evidence.label_map[2:] = (torch.rand(2, 6, 8) < 0.8).long()
        return evidence

    torch.manual_seed(0)
    settings = {"inputs": ["label"], "levels": ["pixel"], "learning_rate": 5e-3}
    by_class = train(build("hierarchical", **settings), shift=0.0, evidence=rare_in_real)
    shared = build("hierarchical", channels="shared", **settings)
    train(shared, shift=0.0, evidence=rare_in_real)
    evidence = rare_in_real(1000, shift=0.0)
    assert area(shared.scores(evidence).pixel, evidence) > 0.7
    assert by_class.scores(evidence).pixel.sub(0.5).abs().max() < 0.1


def test_networks_do_not_train_on_held_out_images():
    splits = {key: Split(held_out=True, fold=0) for key in KEYS}
    method = build("hierarchical", splits)
    before = {name: value.clone() for name, value in method.networks.state_dict().items()}
    method.step(evidence_of(shift=2.0), is_warmup=False)
    after = method.networks.state_dict()
    # no loss, so only the decay of AdamW could move them, and it moves all by the same factor
    for name, value in after.items():
        assert torch.allclose(value, before[name], rtol=1e-4)


def test_an_image_is_scored_by_networks_that_did_not_see_it():
    splits = {key: Split(held_out=False, fold=i % 2) for i, key in enumerate(KEYS)}
    method = build("hierarchical", splits, folds=2, levels=["pixel"])
    with torch.no_grad():
        method.networks["pixel"].networks[0].head.bias.fill_(-5.0)
        method.networks["pixel"].networks[1].head.bias.fill_(5.0)
    scores = method.scores(evidence_of()).pixel
    assert bool((scores[[0, 2]] < 0.01).all())
    assert bool((scores[[1, 3]] > 0.99).all())


def test_fold_networks_train_on_the_other_folds_only():
    splits = {
        "r0:a": Split(held_out=False, fold=0),
        "r0:b": Split(held_out=False, fold=0),
        "s0:a": Split(held_out=False, fold=0),
        "s0:b": Split(held_out=False, fold=0),
    }
    method = build("hierarchical", splits, folds=2, levels=["pixel"])
    train(method, shift=2.0, steps=3)
    untouched = method.networks["pixel"].networks[0].head.weight
    trained = method.networks["pixel"].networks[1].head.weight
    assert untouched.abs().max() == 0
    assert trained.abs().max() > 0


def test_a_level_that_is_no_better_than_chance_is_inactive():
    method = train(build("hierarchical", learning_rate=5e-3), shift=2.0)
    swapped = evidence_of(1000, shift=2.0)
    swapped.is_real.logical_not_()
    values = method.evaluate([swapped], is_last=False)
    assert values["held_out_loss_pixel"] > math.log(2)
    scores = method.scores(evidence_of(1001, shift=2.0))
    assert bool((scores.combined == 0.5).all())


def test_last_evaluation_returns_to_the_best_networks():
    method = train(build("hierarchical", learning_rate=5e-3, patience=50), shift=2.0)
    held_out = [evidence_of(1000, shift=2.0)]
    best = method.evaluate(held_out, is_last=False)["held_out_loss_pixel"]
    train(method, shift=-4.0, steps=30)
    worse = method.evaluate(held_out, is_last=False)["held_out_loss_pixel"]
    last = method.evaluate(held_out, is_last=True)["held_out_loss_pixel"]
    assert worse > best
    assert last == pytest.approx(best, abs=1e-6)


def test_a_level_stops_learning_when_patience_runs_out():
    method = train(build("hierarchical", learning_rate=5e-3, patience=1), shift=2.0)
    held_out = [evidence_of(1000, shift=2.0)]
    method.evaluate(held_out, is_last=False)
    train(method, shift=-4.0, steps=30)
    method.evaluate(held_out, is_last=False)
    before = method.networks["pixel"].networks[0].head.weight.clone()
    train(method, shift=-4.0, steps=3)
    assert torch.equal(method.networks["pixel"].networks[0].head.weight, before)


def test_weights_have_mean_one_over_the_data_not_over_a_batch():
    method = train(build("hierarchical", learning_rate=5e-3), shift=2.0, steps=80)
    means = []
    for seed in range(100, 140):
        weights, _ = method.step(evidence_of(seed, shift=2.0), is_warmup=False)
        means.append(weights[2:].mean().item())
    assert sum(means) / len(means) == pytest.approx(1.0, abs=0.05)
    assert max(means) - min(means) > 1e-3


def test_ignored_cells_do_not_change_the_weights_of_others():
    method = build("hierarchical", levels=["pixel"])
    evidence = evidence_of(shift=2.0)
    evidence.label_map[:, 0, 0] = IGNORE_INDEX
    weights, metrics = method.step(evidence, is_warmup=False)
    assert bool(torch.isfinite(weights).all())
    assert math.isfinite(metrics["loss_pixel"])


def test_an_all_ignored_batch_gives_finite_weights():
    method = build("hierarchical")
    evidence = evidence_of()
    evidence.label_map.fill_(IGNORE_INDEX)
    weights, _ = method.step(evidence, is_warmup=False)
    assert bool(torch.isfinite(weights).all())


def test_adversarial_term_pushes_synthetic_predictions_towards_real():
    method = train(build("hierarchical", learning_rate=5e-3, adversarial=1.0), shift=2.0)
    evidence = evidence_of(1000, shift=2.0)
    predictions = evidence.predictions.clone().requires_grad_()
    method.penalty(predictions, evidence).backward()
    assert bool((predictions.grad[:2] == 0).all())
    # less of class 0, which synthetic images show too much of, lowers the penalty
    assert predictions.grad[2:, 0].mean() > predictions.grad[2:, 1:].mean()


@pytest.mark.parametrize(
    ("settings", "text"),
    [({"combine": "median"}, "none of mean"), ({"inputs": []}, "at least one")],
)
def test_wrong_settings_are_refused(settings, text):
    with pytest.raises(ConfigError, match=text):
        build("hierarchical", **settings)
