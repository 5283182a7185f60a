"""Which streams may speak, and how far each is trusted."""

import pytest
import torch

from curate.methods.streams.fusion import (
    LEAST_TRUST,
    PLANTED_TRUST_POWER,
    TRUST_POWER,
    measure_agreement,
)
from curate.methods.streams.panel import Panel
from curate.methods.streams.streams import STREAMS
from tests.methods.streams.making import IS_REAL

LABELS = torch.zeros(16, 4, 6, dtype=torch.uint8)


def find(*columns, seed=0):
    """Logits that are low, in synthetic images, in some columns alone."""
    logits = 2 + 0.1 * torch.randn(16, 4, 6, generator=torch.Generator().manual_seed(seed))
    for column in columns:
        logits[~IS_REAL, :, column] -= 4
    return logits


def listen(**finds):
    """Trust by stream, where those that are not named find nothing."""
    panel = Panel(num_classes=1)
    nothing = torch.zeros(16, 4, 6)
    panel.listen({name: finds.get(name, nothing) for name in STREAMS}, LABELS, IS_REAL)
    assert set(panel.speaking) == set(finds)
    return dict(zip(STREAMS, panel.trusts.tolist(), strict=True))


def test_streams_that_agree_are_trusted():
    trusts = listen(planted=find(0, 1), appearance=find(0, 1, seed=1))
    assert trusts["planted"] == trusts["appearance"] == pytest.approx(1, abs=1e-3)


def test_streams_that_find_something_else_are_not():
    trusts = listen(planted=find(0, 1), appearance=find(3, 4, seed=1))
    assert trusts["appearance"] == 0
    assert trusts["planted"] == pytest.approx(LEAST_TRUST)


def test_planted_stream_is_trusted_where_the_others_agree_with_it_together():
    halves = {"appearance": find(0, seed=1), "semantics": find(1, seed=2)}
    trusts = listen(planted=find(0, 1), **halves)
    assert trusts["planted"] > 0.9
    assert 0.1 < trusts["appearance"] < 0.5
    assert listen(planted=find(0, 1), appearance=halves["appearance"])["planted"] < 0.5


def test_trust_is_a_power_of_the_agreement():
    planted, appearance = find(0, 1), find(0, 1, 3, seed=1)
    trusts = listen(planted=planted, appearance=appearance)
    agreement = measure_agreement(appearance[~IS_REAL], planted[~IS_REAL])
    assert trusts["appearance"] == pytest.approx(agreement**TRUST_POWER)
    assert trusts["planted"] == pytest.approx(agreement**PLANTED_TRUST_POWER, rel=0.02)


def test_layout_is_trusted_by_itself():
    trusts = listen(planted=find(0, 1), layout=find(3, 4, seed=1))
    assert trusts["layout"] == trusts["planted"] == 1


def test_how_much_a_class_counts_is_for_the_planted_stream_to_say():
    labels = torch.zeros(16, 10, 20, dtype=torch.uint8)
    labels[:, 5:] = 1
    generator = torch.Generator().manual_seed(0)
    logits = {name: 0.1 * torch.randn(labels.shape, generator=generator) for name in STREAMS}
    for name in ("planted", "semantics"):
        logits[name] += 2
        logits[name][~IS_REAL, 5:, :15] -= 4  # three quarters of class 1
        logits[name][~IS_REAL, :5, :5] -= 4  # a quarter of class 0
    logits["semantics"][~IS_REAL, 5:] -= 2  # and all of class 1 once more
    panel = Panel(num_classes=2)
    panel.listen(logits, labels, IS_REAL)
    assert panel.speaking == ("planted", "semantics")
    opinions = {name: panel.opine(name, logits[name][~IS_REAL]) for name in panel.speaking}
    labels = labels[~IS_REAL]
    scores = panel.fuse(opinions, labels)
    shares = panel.fuse({"planted": opinions["planted"]}, labels)
    weights = panel.balance(scores, labels)
    by_class = [float(x[:, 5:].mean() / x[:, :5].mean()) for x in (scores, weights, shares)]
    assert by_class[0] < 0.7 * by_class[2]
    assert by_class[1] == pytest.approx(by_class[2], rel=1e-3)
