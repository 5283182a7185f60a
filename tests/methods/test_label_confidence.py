"""Bounds and means of label confidence; `test_confidence` has it worked out as a whole."""

import math

import pytest
import torch

from curate.methods import Split
from curate.methods.label_confidence import MAX_CLASS_FACTOR, LabelConfidence, mean_of_same_label
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
    """Weigh cells of given scores."""
    cells = torch.tensor([[scores]])
    monkeypatch.setattr(confidence, "_score", lambda *_: LevelScores(cells, cells, cells, cells))
    seen = evidence_of(labels)
    weights, _ = confidence.step(seen, lambda _, images: seen.predictions, is_warmup=False)
    return weights[0, 0]


def test_own_prediction_of_a_known_image_tells_nothing():
    seen = evidence_of([0], [0.9], ("r0:a", "s0:a"))
    logs = torch.full((1, 2, 2, 1, 1), math.log(0.5))
    pixel = make(own=1.0)(seen, logs).pixel.flatten()
    torch.testing.assert_close(pixel, torch.tensor([0.5, 0.9]))


def test_ignored_cells_count_for_nothing():
    seen = evidence_of([0, 255, 0], [0.9, 0.1, 0.9])
    found = make()(seen, torch.full((1, 1, 2, 1, 3), math.log(0.9)))
    for level in (found.pixel, found.region, found.combined):
        torch.testing.assert_close(level[0, 0], torch.tensor([0.9, 0.0, 0.9]))
    torch.testing.assert_close(found.image[0, 0], torch.full((3,), 0.9))


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
    assert float(confidence.score_sums / confidence.score_counts) == pytest.approx(mean)


def test_mean_is_over_cells_of_the_same_label_within_the_square():
    labels = torch.tensor([[[0, 1, 0], [0, 0, 1], [0, 0, 0]]])
    values = torch.arange(9.0).reshape(1, 3, 3)
    means = mean_of_same_label(values, labels, 3, num_classes=2)
    assert means[0, 0, 0] == pytest.approx((0 + 3 + 4) / 3)
    assert means[0, 0, 1] == pytest.approx((1 + 5) / 2)
    assert means[0, 1, 1] == pytest.approx((0 + 2 + 3 + 4 + 6 + 7 + 8) / 7)
