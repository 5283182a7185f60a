"""Which streams may speak, and how far each is trusted."""

import pytest
import torch

from curate.methods.streams.calibrated_fusion import Fusion
from curate.methods.streams.fusion import (
    CORRUPTION_TRUST_POWER,
    LEAST_TRUST,
    TRUST_POWER,
    measure_agreement,
)
from curate.methods.streams.streams import STREAMS
from tests.methods.streams.making import IS_REAL

LABELS = torch.zeros(16, 4, 6, dtype=torch.uint8)


def find(*columns, seed=0):
    """Logits that are low, in synthetic images, in some columns alone."""
    logits = 2 + 0.1 * torch.randn(16, 4, 6, generator=torch.Generator().manual_seed(seed))
    for column in columns:
        logits[~IS_REAL, :, column] -= 4
    return logits


def calibrate_streams(**finds):
    """Trust by stream, where those that are not named find nothing."""
    fusion = Fusion(num_classes=1)
    nothing = torch.zeros(16, 4, 6)
    fusion.calibrate_streams({name: finds.get(name, nothing) for name in STREAMS}, LABELS, IS_REAL)
    assert set(fusion.active) == set(finds)
    return dict(zip(STREAMS, fusion.trusts.tolist(), strict=True))


def test_streams_that_agree_are_trusted():
    trusts = calibrate_streams(planted=find(0, 1), appearance=find(0, 1, seed=1))
    assert trusts["planted"] == trusts["appearance"] == pytest.approx(1, abs=1e-3)


def test_streams_that_find_something_else_are_not():
    trusts = calibrate_streams(planted=find(0, 1), appearance=find(3, 4, seed=1))
    assert trusts["appearance"] == 0
    assert trusts["planted"] == pytest.approx(LEAST_TRUST)


def test_planted_stream_is_trusted_where_the_others_agree_with_it_together():
    halves = {"appearance": find(0, seed=1), "semantics": find(1, seed=2)}
    trusts = calibrate_streams(planted=find(0, 1), **halves)
    assert trusts["planted"] > 0.9
    assert 0.1 < trusts["appearance"] < 0.5
    assert calibrate_streams(planted=find(0, 1), appearance=halves["appearance"])["planted"] < 0.5


def test_trust_is_a_power_of_the_agreement():
    injected, appearance = find(0, 1), find(0, 1, 3, seed=1)
    trusts = calibrate_streams(planted=injected, appearance=appearance)
    agreement = measure_agreement(appearance[~IS_REAL], injected[~IS_REAL])
    assert trusts["appearance"] == pytest.approx(agreement**TRUST_POWER)
    assert trusts["planted"] == pytest.approx(agreement**CORRUPTION_TRUST_POWER, rel=0.02)


def test_layout_is_trusted_by_itself():
    trusts = calibrate_streams(planted=find(0, 1), layout=find(3, 4, seed=1))
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
    fusion = Fusion(num_classes=2)
    fusion.calibrate_streams(logits, labels, IS_REAL)
    assert fusion.active == ("planted", "semantics")
    posteriors = {name: fusion.posterior_of(name, logits[name][~IS_REAL]) for name in fusion.active}
    labels = labels[~IS_REAL]
    scores = fusion.fuse(posteriors, labels)
    shares = fusion.fuse({"planted": posteriors["planted"]}, labels)
    weights = fusion.balance(scores, labels)
    by_class = [float(x[:, 5:].mean() / x[:, :5].mean()) for x in (scores, weights, shares)]
    assert by_class[0] < 0.7 * by_class[2]
    assert by_class[1] == pytest.approx(by_class[2], rel=1e-3)
