"""Processes that share a step learn what one process with the whole step learns."""

import pytest
import torch

from curate.methods import Split
from curate.methods.hierarchical.inputs import InputStack
from curate.methods.hierarchical.networks import balance
from curate.methods.running_weights import RunningWeights
from tests.methods.test_contract import KEYS, build, evidence_of
from tests.ranks import Ranks


def away_from_zero(method):
    """Draw weights anew: where the networks start, most gradients vanish."""
    torch.manual_seed(5)
    for parameter in method.networks.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return method


@pytest.fixture
def shares():
    """A whole step, and the shares of two processes: a real and a synthetic image each."""
    assert KEYS[0].startswith("r")
    assert KEYS[2].startswith("s")
    evidence = evidence_of(3, shift=1.0)
    evidence.label_map[0, :4] = 255  # so that the shares differ in number of cells
    return evidence, [evidence.pick([0, 2]), evidence.pick([1, 3])]


def test_domains_and_classes_are_balanced_over_all_shares(monkeypatch):
    # class 0: one real cell, two synthetic; class 1: only the second share shows it in both
    group = torch.tensor([[[0, 1]], [[0, 0]], [[1, 1]], [[1, 1]]])
    is_real = torch.tensor([True, False, True, False])
    usable = torch.ones(4, 1, 2, dtype=torch.bool)
    rows = [slice(0, 2), slice(2, 4)]
    parts = Ranks(monkeypatch).run(
        lambda rank: balance(group[rows[rank]], is_real[rows[rank]], usable[rows[rank]], 2)
    )
    expected = [[[1 / 2, 1 / 6]], [[1 / 4, 1 / 4]], [[1 / 6, 1 / 6]], [[1 / 4, 1 / 4]]]
    torch.testing.assert_close(torch.cat(parts), torch.tensor(expected))


def test_histogram_and_sample_size_are_those_of_all_shares(monkeypatch):
    settings = {"min_ess": 0.4, "max_power": 8.0, "clip": 5.0, "uniform": 0.1}
    scores = torch.tensor([0.0, 0.2, 0.9, 1.0, 0.6]).view(5, 1, 1)
    synthetic = torch.tensor([True, True, True, True, False]).view(5, 1, 1)
    whole = RunningWeights(**settings)
    weights, ess = whole.weigh(scores, synthetic)
    rows = [slice(0, 1), slice(1, 5)]
    parts = [RunningWeights(**settings) for _ in rows]
    results = Ranks(monkeypatch).run(
        lambda rank: parts[rank].weigh(scores[rows[rank]], synthetic[rows[rank]])
    )
    torch.testing.assert_close(torch.cat([each for each, _ in results]), weights)
    for part, (_, its_ess) in zip(parts, results, strict=True):
        assert torch.equal(part.histogram, whole.histogram)
        torch.testing.assert_close(its_ess, ess)


def test_feature_statistics_are_those_of_all_shares(monkeypatch, shares):
    evidence, parts = shares
    for part in (evidence, *parts):
        part.features["stride4"] = (
            part.images[:, :, ::4, ::4] * 5 + part.is_real[:, None, None, None]
        )
    kinds = {"num_classes": 3, "feature_channels": {"stride4": 3}}
    whole = InputStack(["stride4"], **kinds)
    stacks = [InputStack(["stride4"], **kinds) for _ in parts]
    ranks = Ranks(monkeypatch)
    for _ in range(2):
        whole.gather(evidence)
        ranks.run(lambda rank: stacks[rank].gather(parts[rank]))
    for stack in stacks:
        torch.testing.assert_close(stack.state_dict(), whole.state_dict())


@pytest.mark.parametrize(
    "settings", [{}, {"channels": "shared"}, {"folds": 2, "inputs": ["predictions", "label"]}]
)
def test_gradients_and_measurements_are_those_of_the_whole_step(monkeypatch, shares, settings):
    evidence, parts = shares
    splits = {key: Split(held_out=False, fold=int(key in "r0:a s0:b")) for key in KEYS}
    whole, *copies = [away_from_zero(build("hierarchical", splits, **settings)) for _ in range(3)]
    _, expected = whole.step(evidence, is_warmup=False)
    results = Ranks(monkeypatch).run(
        lambda rank: copies[rank].step(parts[rank], is_warmup=False)[1]
    )
    for measured in results:
        assert measured == pytest.approx(expected, rel=1e-5)
    for copy in copies:
        for mine, its in zip(whole.parameters(), copy.parameters(), strict=True):
            torch.testing.assert_close(its.grad, mine.grad, rtol=1e-4, atol=1e-6)


def test_penalty_of_the_shares_adds_up(monkeypatch, shares):
    evidence, parts = shares
    whole, *copies = [away_from_zero(build("hierarchical", adversarial=0.5)) for _ in range(3)]
    expected = whole.penalty(evidence.predictions, evidence)
    terms = Ranks(monkeypatch).run(
        lambda rank: copies[rank].penalty(parts[rank].predictions, parts[rank])
    )
    torch.testing.assert_close(sum(terms), expected)
