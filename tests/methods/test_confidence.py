"""Confidence, worked out by hand on images of a few cells whose predictions are given."""

import math
from dataclasses import replace

import pytest
import torch

from curate.methods import Preparation, label_confidence
from curate.methods import references as reference_segmenters
from curate.methods.confidence import Confidence, ConfidenceSettings
from curate.records import Batch, Evidence
from tests.methods.making import make_context


def make_method(probabilities=(0.8, 0.5), **settings):
    return Confidence.build(
        ConfidenceSettings(folds=len(probabilities), **settings), make_context(probabilities)
    )


def evidence_of(keys, labels, own):
    """Images of one row of cells; `own` is the segmenter's probability of class 0."""
    first = torch.tensor(own)[:, None, None, :]
    labels = torch.tensor(labels)[:, None]
    return Evidence(
        predictions=torch.cat([first, 1 - first], dim=1),
        label_map=labels,
        images=torch.zeros(len(keys), 3, 4, 4 * labels.shape[2]),
        is_real=torch.tensor([key.startswith("r") for key in keys]),
        keys=tuple(keys),
    )


def posterior(*probabilities):
    """Probability of the mean of some log-odds, as before a calibration."""
    odds = [math.log(p / (1 - p)) for p in probabilities]
    return 1 / (1 + math.exp(-sum(odds) / len(odds)))


def calibrate(method, slope=2.0, offsets=(0.5, -0.5), shares=(0.6, 0.2)):
    """Let evidence mean something else."""
    method.confidence.slope.fill_(slope)
    method.confidence.offsets.copy_(torch.tensor(offsets))
    method.confidence.shares.copy_(torch.tensor(shares))


def test_levels_are_worked_out_from_evidence_and_the_own_probability():
    method = make_method((0.8,))
    calibrate(method)
    seen = evidence_of(["s0:a"], [[0, 0, 1, 255]], [[0.2, 0.45, 0.9, 0.9]])
    # odds .8 / .2 = 4, to the power of the slope, times e^offset, times those of the share
    odds = [4**2 * math.exp(0.5) * 0.6 / 0.4] * 2 + [0.25**2 * math.exp(-0.5) * 0.2 / 0.8]
    region = [each / (1 + each) for each in odds]
    both = [p * own for p, own in zip(region, (0.2, 0.45, 0.1), strict=True)]
    found = method.scores(seen)
    expected = {
        "pixel": [*both, 0],
        "region": [*region, 0],
        "combined": [*both, 0],
        "image": [sum(both) / 3] * 4,
    }
    for level, values in expected.items():
        cells = getattr(found, level)[0, 0]
        torch.testing.assert_close(cells, torch.tensor(values), atol=1e-3, rtol=0)


def test_real_images_of_the_training_are_scored_by_the_reference_of_their_fold_alone():
    method = make_method()
    seen = evidence_of(["r0:a", "r0:b", "x:new"], [[0]] * 3, [[0.99]] * 3)
    theirs = math.sqrt(0.8 * 0.5)  # an unknown image: the mean of all
    expected = torch.tensor([0.8, 0.5, theirs * 0.99])
    torch.testing.assert_close(method.scores(seen).pixel[:, 0, 0], expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("own", "expected"), [(0.0, 0.8), (1.0, 0.8 * 0.2)])
def test_share_of_the_own_prediction_is_an_exponent(own, expected):
    pixel = make_method((0.8,), own=own).scores(evidence_of(["s0:a"], [[0]], [[0.2]])).pixel
    torch.testing.assert_close(pixel.item(), expected, atol=1e-3, rtol=0)


def test_each_class_keeps_the_share_of_the_weight_that_its_posteriors_have():
    method = make_method()
    calibrate(method)
    labels = [[0, 0, 1, 1], [0, 0, 1, 1]]
    seen = evidence_of(["r0:a", "s0:a"], labels, [[0.5] * 4, [0.9, 0.5, 0.9, 0.8]])
    warm, _ = method.step(seen, is_warmup=True)
    assert torch.equal(warm, torch.ones(2, 1, 4))
    weights, metrics = method.step(seen, is_warmup=False)
    found = method.scores(seen)  # by both references: not what the step saw
    assert not torch.equal(found.region[1, 0, :2], weights[1, 0, :2])
    # the reference of fold 0 says .8 for class 0
    odds = [4**2 * math.exp(0.5) * 0.6 / 0.4, 0.25**2 * math.exp(-0.5) * 0.2 / 0.8]
    shares = [each / (1 + each) for each in odds]
    own = torch.tensor([0.9, 0.5, 0.1, 0.2])
    expected = torch.cat(
        [share * each / each.mean() for share, each in zip(shares, own.split(2), strict=True)]
    )
    torch.testing.assert_close(weights[1, 0], expected / expected.mean(), atol=1e-2, rtol=0)
    assert torch.equal(weights[0], torch.ones(1, 4))  # of real cells there is nothing to weigh
    size = float(weights[1].sum() ** 2 / (4 * (weights[1] ** 2).sum()))
    assert metrics["ess"] == pytest.approx(size, abs=1e-5)


def test_stored_scores_give_the_weights_of_the_last_step():
    method = make_method((0.8,))
    seen = evidence_of(["r0:a", "s0:a"], [[0, 0, 1]] * 2, [[0.5] * 3, [0.9, 0.3, 0.2]])
    weights, _ = method.step(seen, is_warmup=False)
    rule, scores = method.weight_rule(), method.scores(seen).combined[1, 0]
    factors = torch.tensor(rule.class_factors)[seen.label_map[1, 0]]
    torch.testing.assert_close(rule(scores * factors), weights[1, 0], atol=1e-4, rtol=0)


def test_an_image_is_shown_to_the_reference_of_its_fold_alone():
    method = make_method()
    seen = evidence_of(["r0:a", "s0:a", "s0:b", "s0:b"], [[0]] * 4, [[0.5]] * 4)
    method.step(seen, is_warmup=False)
    assert [reference.num_seen for reference in method.references] == [1, 2]
    method.scores(seen)  # there, what else is in a batch must not matter
    assert [reference.num_seen for reference in method.references] == [5, 6]


def test_references_share_the_steps_and_learn_from_the_other_folds(monkeypatch):
    asked = []

    def train_reference(reference, preparation, excluded, **options):
        asked.append((excluded, options["steps"], options["seed"]))
        yield from range(options["steps"])

    monkeypatch.setattr(reference_segmenters, "train_reference", train_reference)
    calibrated = []
    method = make_method(reference_share=0.5)
    monkeypatch.setattr(
        label_confidence.LabelConfidence, "calibrate", lambda self, *args: calibrated.append(args)
    )
    real, synthetic = (
        Batch(
            torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
            torch.full((2, 8, 8), value, dtype=torch.uint8),
            torch.tensor([is_real] * 2),
            keys,
        )
        for value, is_real, keys in ((0, True, ("r0:a", "r0:b")), (1, False, ("s0:b", "s0:a")))
    )
    preparation = Preparation(real, synthetic, None, None, None, seed=7, num_steps=60)
    progress = list(method.prepare(preparation))
    assert [excluded for excluded, _, _ in asked] == [{"r0:a", "s0:a"}, {"r0:b", "s0:b"}]
    assert [steps for _, steps, _ in asked] == [15, 15]  # half of 60, shared by two
    assert asked[0][2] != asked[1][2]
    assert [p for p in progress if p.is_safe] == [(1, 2, True, 0), (2, 2, True, 0)]
    logs, labels, is_real = calibrated[0]
    # each is predicted by the reference of its fold, which did not see it
    assert logs[:, 0, 0, 0].exp().tolist() == pytest.approx([0.8, 0.5, 0.5, 0.8], abs=1e-3)
    assert (labels[:, 0, 0].tolist(), is_real.tolist()) == ([0, 0, 1, 1], [True] * 2 + [False] * 2)
    assert list(method.prepare(preparation)) == []  # all is learned
    method = make_method(reference_share=1.0, reference_steps=20)
    _ = list(method.prepare(preparation))
    assert [steps for _, steps, _ in asked[2:]] == [20, 20]
    alone = make_method((0.8,))
    alone.splits = {key: replace(split, fold=0) for key, split in alone.splits.items()}
    _ = list(alone.prepare(preparation))
    assert asked[-1][0] == set()  # a single one learns from all
