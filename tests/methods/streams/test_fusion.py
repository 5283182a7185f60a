"""Which streams are active, how far each is trusted, and what is fused of them."""

import pytest
import torch

from curate.methods.streams.fusion import (
    CORRUPTION_TRUST_POWER,
    INACTIVE_POSTERIOR,
    MIN_TRUST,
    TRUST_POWER,
    Fusion,
    fuse,
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


def trusts_of(**finds):
    """Trust by stream, where those that are not named find nothing."""
    fusion = Fusion()
    nothing = torch.zeros(16, 4, 6)
    fusion.calibrate({name: finds.get(name, nothing) for name in STREAMS}, LABELS, IS_REAL)
    assert set(fusion.active_streams) == set(finds)
    return dict(zip(STREAMS, fusion.trusts.tolist(), strict=True))


def test_streams_that_agree_are_trusted():
    trusts = trusts_of(corruption=find(0, 1), appearance=find(0, 1, seed=1))
    assert trusts["corruption"] == trusts["appearance"] == pytest.approx(1, abs=1e-3)


def test_streams_that_find_something_else_are_not():
    trusts = trusts_of(corruption=find(0, 1), appearance=find(3, 4, seed=1))
    assert trusts["appearance"] == 0
    assert trusts["corruption"] == pytest.approx(MIN_TRUST)


def test_corruption_stream_is_trusted_where_the_others_agree_with_it_together():
    halves = {"appearance": find(0, seed=1), "semantics": find(1, seed=2)}
    trusts = trusts_of(corruption=find(0, 1), **halves)
    assert trusts["corruption"] > 0.9
    assert 0.1 < trusts["appearance"] < 0.5
    assert trusts_of(corruption=find(0, 1), appearance=halves["appearance"])["corruption"] < 0.5


def test_trust_is_a_power_of_the_agreement():
    corruption, appearance = find(0, 1), find(0, 1, 3, seed=1)
    trusts = trusts_of(corruption=corruption, appearance=appearance)
    agreement = measure_agreement(appearance[~IS_REAL], corruption[~IS_REAL])
    assert trusts["appearance"] == pytest.approx(agreement**TRUST_POWER)
    assert trusts["corruption"] == pytest.approx(agreement**CORRUPTION_TRUST_POWER, rel=0.02)


def test_layout_is_trusted_by_itself():
    trusts = trusts_of(corruption=find(0, 1), layout=find(3, 4, seed=1))
    assert trusts["layout"] == trusts["corruption"] == 1


def test_fusion_lowers_the_odds_of_the_corruption_stream():
    like = torch.zeros(1, 1, 2)
    corruption, other = torch.tensor([[[0.5, 0.75]]]), torch.tensor([[[0.25, 1.0]]])
    known = (corruption, 1.0)
    # odds 1 times 1/4 is 1/5; odds 3 times 1 is 3/4; half the trust: odds 1 times 1/2 is 1/3
    assert torch.allclose(fuse(known, [(other, 1.0)], like), torch.tensor([[[0.2, 0.75]]]))
    assert torch.allclose(fuse(known, [(other, 0.5)], like), torch.tensor([[[1 / 3, 0.75]]]))
    assert torch.allclose(fuse(known, [(other, 0.0)], like), corruption)


def test_fusion_flattens_a_corruption_stream_that_is_not_trusted():
    like = torch.zeros(1, 1, 1)
    corruption = torch.tensor([[[0.9]]])
    # odds 9, to the power of a half, are 3
    assert torch.allclose(fuse((corruption, 0.5), [], like), torch.tensor(0.75))


def test_fusion_without_the_corruption_stream_begins_with_what_is_usual():
    like = torch.zeros(1, 1, 1)
    assert torch.allclose(
        fuse(None, [(torch.ones(1, 1, 1), 1.0)], like), torch.tensor(INACTIVE_POSTERIOR)
    )


def test_fusion_is_even_where_no_stream_is_active():
    like = torch.zeros(1, 1, 2)
    assert torch.equal(fuse(None, [], like), torch.full((1, 1, 2), 0.5))


def test_agreement_is_that_on_the_ranking():
    corruption = torch.tensor([-1.0, -2.0, 3.0, 4.0])
    assert measure_agreement(torch.tensor([0.0, 1.0, 2.0, 3.0]), corruption) == 1
    assert measure_agreement(torch.tensor([0.0, 2.0, 1.0, 3.0]), corruption) == 0.5  # 3 of 4 pairs
    assert measure_agreement(torch.tensor([3.0, 2.0, 1.0, 0.0]), corruption) == 0
    assert measure_agreement(torch.zeros(4), corruption.abs()) == 1
