"""Scores and weights of streams whose networks return given logits, worked out by hand.

Two folds; real image r0:00 and synthetic image s0:00 are of fold 0, s0:01 of fold 1. Each cell has
a logit of its stream and fold. Streams that learned the domains have the posterior exp(logit) up
to 1, those that learned corruptions sigmoid(logit).
"""

import math

import pytest
import torch
from torch import nn

from curate.methods import MethodContext, Split
from curate.methods.confidence import Confidence, ConfidenceSettings
from curate.methods.streams.networks import LAYOUT
from curate.methods.streams.streams import CORRUPTION, MISMATCH, STREAMS
from curate.records import Evidence
from tests.methods.streams.making import draw_images, make_method, make_preparation

LN_2, LN_3 = math.log(2), math.log(3)
KEYS = ("r0:00", "s0:00", "s0:01", "s1:99")
"""The last one is no image of the training."""


class Constant(nn.Module):
    """Returns one logit for every cell, another one for those in the right half."""

    def __init__(self, left, right=None):
        super().__init__()
        self.logits = (left, left if right is None else right)
        self.calls, self.inputs = 0, (LAYOUT,)

    def compute(self, cells):
        self.calls += 1
        size = cells[LAYOUT].shape[:3]
        half = size[2] // 2
        logits = torch.full(size, float(self.logits[0]))
        logits[:, :, half:] = self.logits[1]
        return logits


def make(**logits):
    """Make a method of which the named streams are active, with a logit a fold."""
    method = make_method(make_preparation(draw_images(2, "s0", is_real=False, seed=2)))
    method.splits = method.confidence.splits = {
        "r0:00": Split(held_out=False, fold=0),
        "s0:00": Split(held_out=False, fold=0),
        "s0:01": Split(held_out=False, fold=1),
    }
    for index, name in enumerate(STREAMS):
        folds = logits.get(name, (0.0, 0.0))
        method.networks[name] = nn.ModuleList(
            each if isinstance(each, nn.Module) else Constant(each) for each in folds
        )
        method.fusion.is_active[index] = name in logits
    return method


def evidence_of(keys=KEYS):
    """Give images of 8x16 pixels, or 2x4 cells, of class 0; the upper left cell is ignored."""
    labels = torch.zeros(len(keys), 2, 4, dtype=torch.int64)
    labels[:, 0, 0] = 255
    return Evidence(
        predictions=torch.full((len(keys), 2, 2, 4), 0.5),
        label_map=labels,
        images=torch.rand(len(keys), 3, 8, 16, generator=torch.Generator().manual_seed(0)),
        is_real=torch.tensor([key.startswith("r") for key in keys]),
        keys=keys,
    )


def of_images(cells):
    """Value of each image, which all of its cells share."""
    assert all(len(each.unique()) == 1 for each in cells)
    return cells[:, 0, 0].tolist()


def test_every_image_is_read_from_the_fold_that_did_not_learn_from_it():
    method = make(appearance=(-LN_2, -2 * LN_2), **{CORRUPTION: (0.0, LN_3)})
    scores = method.scores(evidence_of())
    # domains: 1/2 by fold 0, 1/4 by fold 1; the unknown image has the mean
    assert of_images(scores.streams["appearance"]) == pytest.approx([1 / 2, 1 / 2, 1 / 4, 3 / 8])
    # corruptions: 1/2 by fold 0, 3/4 by fold 1; no fold was trained on synthetic images
    assert of_images(scores.streams[CORRUPTION]) == pytest.approx([1 / 2, 5 / 8, 5 / 8, 5 / 8])


def test_levels_are_the_fusions_of_their_streams():
    method = make(
        appearance=(-LN_2,) * 2,
        semantics=(-LN_3,) * 2,
        **{CORRUPTION: (LN_3,) * 2, MISMATCH: (0.0,) * 2},
    )
    scores = method.scores(evidence_of())
    # odds of corruption 3; posteriors 1/2 of mismatch, 1/2 and 1/3 of the domains
    assert of_images(scores.region) == pytest.approx([1.5 / 2.5] * 4)
    usual = 0.95 / 0.05  # odds where the corruption stream is not asked
    assert of_images(scores.pixel) == pytest.approx([usual / 6 / (1 + usual / 6)] * 4)
    assert of_images(scores.combined) == pytest.approx([1 / 4 / (1 + 1 / 4)] * 4)
    assert set(scores.streams) == {CORRUPTION, MISMATCH, "appearance", "semantics"}


def test_image_level_is_the_mean_over_labelled_cells():
    network = Constant(0.0, LN_3)
    method = make(**{CORRUPTION: (network, network)})
    scores = method.scores(evidence_of())
    # three labelled cells of 1/2 on the left, four of 3/4 on the right
    assert of_images(scores.image) == pytest.approx([(3 / 2 + 3) / 7] * 4)
    assert scores.image.shape == (4, 2, 4)
    assert scores.combined[0].tolist() == [[pytest.approx(x) for x in (0.5, 0.5, 0.75, 0.75)]] * 2


def test_image_without_a_label_has_an_image_level_of_zero():
    evidence = evidence_of()
    evidence.label_map[1] = 255
    scores = make(**{CORRUPTION: (0.0, 0.0)}).scores(evidence)
    assert of_images(scores.image) == pytest.approx([0.5, 0, 0.5, 0.5])


def test_quantile_and_trust_of_a_stream_are_used():
    method = make(appearance=(-LN_2, -LN_2))
    index = list(STREAMS).index("appearance")
    method.fusion.quantiles[index] = LN_2
    assert of_images(method.scores(evidence_of()).streams["appearance"]) == pytest.approx(
        [1 / 4] * 4
    )
    method.fusion.trusts[index] = 0.5
    odds = 0.95 / 0.05 / 2  # the posterior to the power of a half
    assert of_images(method.scores(evidence_of()).combined) == pytest.approx(
        [odds / (1 + odds)] * 4
    )


def test_nothing_active_scores_a_half():
    method = make()
    scores = method.scores(evidence_of())
    for level in (scores.image, scores.region, scores.pixel, scores.combined):
        assert of_images(level) == [pytest.approx(0.5)] * 4
    assert scores.streams == {}
    assert method.networks[CORRUPTION][0].calls == 0


def active():
    """Scores of 1/3 on the left and 2/3 on the right."""
    network = Constant(-LN_2, LN_2)
    return make(**{CORRUPTION: (network, network)})


def as_confidence(method):
    """Make the method whose weights are those of the streams, from the same references."""
    settings = ConfidenceSettings(folds=2, own=method.settings.own, clip=method.settings.clip)
    references = iter(method.references)
    context = MethodContext(2, {}, [100, 100], method.splits, lambda: next(references), None)
    return Confidence.build(settings, context)


def test_weights_are_those_of_confidence_whatever_the_streams_find():
    method, evidence = active(), evidence_of(("r0:00", "s0:00", "s0:01"))
    expected = as_confidence(method)
    for is_warmup in (True, False):
        weights, measured = method.step(evidence, is_warmup=is_warmup)
        wanted, told = expected.step(evidence, is_warmup=is_warmup)
        assert torch.equal(weights, wanted)
        assert measured == told
    assert len(weights[1].unique()) > 1
    assert method.networks[CORRUPTION][0].calls == 0  # no step asks the streams
    assert method.weight_rule() == expected.weight_rule()
    worth, scores = method.scores(evidence).worth, expected.scores(evidence)
    for name in ("image", "region", "pixel", "combined"):
        assert torch.equal(getattr(worth, name), getattr(scores, name))


def test_evaluation_tells_the_area_of_active_streams_and_else_chance():
    method = make(appearance=(0.0, 0.0))
    method.fusion.aurocs.copy_(torch.linspace(0.1, 0.9, len(STREAMS)))
    measured = method.evaluate([], is_last=True)
    areas = dict(zip(STREAMS, method.fusion.aurocs.tolist(), strict=True))
    expected = {f"auroc_{name}": 0.5 for name in STREAMS} | {
        "auroc_appearance": areas["appearance"]
    }
    assert measured == expected
    assert method.warning(measured) is None
    assert "no stream finds anything" in make().warning({})


def test_what_learned_in_the_preparation_stays_in_evaluation_mode():
    method = make_method(make_preparation(draw_images(2, "s0", is_real=False, seed=2)))
    method.train()
    assert method.training
    for part in (method.encoder, method.references, method.networks):
        assert not any(module.training for module in part.modules())
    assert not any(p.requires_grad for p in method.encoder.parameters())
    assert method.streams == tuple(STREAMS)
