"""Bounds and means of label confidence; `test_confidence` has it worked out as a whole."""

import math

import pytest
import torch

from curate.methods import Split
from curate.methods.label_confidence import (
    MAX_CLASS_FACTOR,
    LabelConfidence,
    mean_of_same_label,
)
from curate.methods.label_evidence import POOLED_SHARE
from curate.records import Evidence, LevelScores

SPLITS = {"r0:a": Split(held_out=False, fold=0), "s0:a": Split(held_out=False, fold=0)}


def make(num_classes=2, own=0.5, clip=4.0):
    return LabelConfidence(num_classes, SPLITS, own=own, clip=clip)


def evidence_of(labels, probabilities=None, keys=("s0:a",)):
    """Images of a row of cells, with probabilities of class 0 of the segmenter's own."""
    label_map = torch.tensor([[labels]] * len(keys))
    first = torch.tensor(probabilities or [0.5] * len(labels)).view(1, 1, 1, -1)
    return Evidence(
        predictions=torch.cat([first, 1 - first], dim=1).expand(len(keys), 2, 1, len(labels)),
        label_map=label_map,
        images=torch.zeros(len(keys), 3, 4, 4 * len(labels)),
        is_real=torch.tensor([key.startswith("r") for key in keys]),
        keys=keys,
    )


def weigh(confidence, scores, labels, monkeypatch):
    """Weigh cells of given scores, whose posteriors are all 1."""
    cells = torch.tensor([[scores]])
    ones = torch.ones_like(cells)
    monkeypatch.setattr(confidence, "_score", lambda *_: LevelScores(cells, ones, cells, cells))
    seen = evidence_of(labels)
    weights, _ = confidence.step(seen, lambda _, images: seen.predictions, is_warmup=False)
    return weights[0, 0]


def test_own_prediction_of_a_known_image_tells_nothing():
    seen = evidence_of([0], [0.9], ("r0:a", "s0:a"))
    logs = torch.full((1, 2, 2, 1, 1), math.log(0.5))
    pixel = make(own=1.0)(seen, logs).pixel.flatten()
    torch.testing.assert_close(pixel, torch.tensor([0.5, 0.45]))


def test_ignored_cells_count_for_nothing():
    seen = evidence_of([0, 255, 0], [0.9, 0.1, 0.9])
    found = make()(seen, torch.full((1, 1, 2, 1, 3), math.log(0.9)))
    both = 0.9 * math.sqrt(0.9)
    for level, value in ((found.pixel, both), (found.region, 0.9), (found.combined, both)):
        torch.testing.assert_close(level[0, 0], torch.tensor([value, 0.0, value]))
    torch.testing.assert_close(found.image[0, 0], torch.full((3,), both))


def test_weights_are_relative_to_the_class_and_bounded(monkeypatch):
    scores, labels = [0.1, 0.3, 0.8, 0.8, 0.8, 0.8], [0, 0, 1, 1, 1, 1]
    weights = weigh(make(clip=1.5), scores, labels, monkeypatch)
    # .1 and .3 are .5 and 1.5 times the mean of their class; the bound is at 1.5 times the mean
    expected = torch.tensor([0.5, 1.5, 1.0, 1.0, 1.0, 1.0])
    torch.testing.assert_close(weights, expected, atol=2e-3, rtol=0)
    bounded = weigh(make(clip=1.2), [0.1, 0.3], [0, 0], monkeypatch)
    torch.testing.assert_close(bounded, torch.tensor([0.5, 1.2]) / 0.85)


def test_a_class_is_raised_by_so_much_and_no_more(monkeypatch):
    weights = weigh(make(), [0.001, 0.9], [0, 1], monkeypatch)
    mean = (0.001 + 0.9) / 2
    assert float(weights[0] / weights[1]) == pytest.approx(
        0.001 * MAX_CLASS_FACTOR / (0.9 * mean / 0.9), rel=1e-3
    )


def test_means_of_a_class_follow_what_is_learned(monkeypatch):
    confidence = make(1)
    weigh(confidence, [0.2], [0], monkeypatch)
    weigh(confidence, [0.8], [0], monkeypatch)
    mean = (0.98 * 0.2 + 0.8) / 1.98
    assert float(confidence.score_sums / confidence.posterior_sums) == pytest.approx(mean)


def test_mean_is_over_cells_of_the_same_label_within_the_square():
    labels = torch.tensor([[[0, 1, 0], [0, 0, 1], [0, 0, 0]]])
    values = torch.arange(9.0).reshape(1, 3, 3)
    means = mean_of_same_label(values, labels, 3, num_classes=2)
    assert means[0, 0, 0] == pytest.approx((0 + 3 + 4) / 3)
    assert means[0, 0, 1] == pytest.approx((1 + 5) / 2)
    assert means[0, 1, 1] == pytest.approx((0 + 2 + 3 + 4 + 6 + 7 + 8) / 7)


def test_a_class_whose_labels_are_mostly_wrong_loses_its_weight():
    generator = torch.Generator().manual_seed(0)
    truth = (torch.arange(60) % 2)[:, None, None].expand(-1, 4, 8)
    is_real = torch.arange(60) < 20
    labels = torch.where((torch.arange(60) < 40)[:, None, None], truth, 1)  # the last 20: all 1
    chance = torch.where(torch.rand(truth.shape, generator=generator) < 0.9, 0.8, 0.3)
    first = torch.where(truth == 0, chance, 1 - chance)
    logs = torch.stack([first, 1 - first], dim=1).log()
    confidence = make(own=0.0)
    confidence.calibrate(logs, labels, is_real)
    # 10 of 10 images of class 0 and 20 of 30 of class 1 are right, 30 of 40 together
    shares = [0.99 + POOLED_SHARE * (0.75 - 1), 2 / 3 + POOLED_SHARE * (3 / 4 - 2 / 3)]
    assert confidence.shares.tolist() == pytest.approx(shares, abs=0.02)
    synthetic = ~is_real
    seen = Evidence(
        predictions=logs[synthetic].exp(),
        label_map=labels[synthetic],
        images=torch.zeros(40, 3, 16, 32),
        is_real=torch.zeros(40, dtype=torch.bool),
        keys=("s0:a",) * 40,
    )
    weights, _ = confidence.step(seen, lambda _, images: logs[synthetic], is_warmup=False)
    is_right = labels[synthetic] == truth[synthetic]
    for label in (0, 1):
        of_label = is_right & (labels[synthetic] == label)
        assert float(weights[of_label].mean()) == pytest.approx(4 / 3, abs=0.05)
    assert float(weights[~is_right].mean()) < 0.05


def test_hard_cells_whose_labels_are_right_keep_their_weight():
    truth = torch.zeros(20, 2, 8, dtype=torch.int64)
    truth[..., 4:] = 1
    probability = torch.linspace(0.05, 0.95, 8)
    first = torch.where(truth == 0, probability.flip(0), 1 - probability)
    logs = torch.stack([first, 1 - first], dim=1).log()
    confidence = make(own=0.0)
    confidence.calibrate(logs, truth, torch.arange(20) < 10)
    found = confidence(evidence_of([0] * 4 + [1] * 4), logs[:1, None, :, :1].transpose(0, 1))
    assert float(found.combined.min() / found.combined.max()) > 0.9
