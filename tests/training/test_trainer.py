import math

import pytest
import torch

from curate.config import FitConfig
from curate.grid import spread_to_pixels
from curate.methods.uniform import Uniform
from curate.models import build_segmenter
from curate.models.devices import choose_device
from curate.records import Batch, Uncropped
from curate.training.networks import gather_evidence, to_unit_range
from curate.training.trainer import Trainer, segmentation_loss
from tests.ranks import Ranks

REAL_AND_SYNTHETIC = torch.tensor([True, False])


def loss_of(weights, label_map, synthetic_weight=1.0):
    logits = torch.zeros(2, 2, 1, 2)
    logits[1, 0, 0, 1] = math.log(3)  # the second synthetic pixel: class 0 with probability 3/4
    return segmentation_loss(
        logits, label_map, weights, REAL_AND_SYNTHETIC, synthetic_weight=synthetic_weight
    )


def test_loss_by_hand():
    label_map = torch.tensor([[[0, 1]], [[0, 0]]])
    weights = torch.tensor([[[9.0, 9.0]], [[2.0, 0.5]]])
    loss, parts = loss_of(weights, label_map, synthetic_weight=0.5)
    synthetic = (2 * math.log(2) + 0.5 * math.log(4 / 3)) / 2
    assert parts.tolist() == pytest.approx([math.log(2), synthetic])
    assert loss.item() == pytest.approx(math.log(2) + 0.5 * synthetic)


def test_ignored_pixels_are_in_neither_sum():
    label_map = torch.tensor([[[0, 255]], [[255, 0]]])
    _, parts = loss_of(torch.ones(2, 1, 2), label_map)
    assert parts.tolist() == pytest.approx([math.log(2), math.log(4 / 3)])


def test_a_domain_without_labels_costs_nothing():
    loss, parts = loss_of(torch.ones(2, 1, 2), torch.full((2, 1, 2), 255))
    assert parts.tolist() == [0.0, 0.0]
    assert loss.item() == 0.0


def test_losses_of_shares_add_up_to_that_of_the_whole_batch(monkeypatch):
    torch.manual_seed(0)
    logits, weights = torch.randn(4, 2, 1, 2), torch.rand(4, 1, 2)
    label_map = torch.tensor([[[0, 1]], [[0, 0]], [[1, 255]], [[255, 255]]])
    is_real = REAL_AND_SYNTHETIC.repeat(2)

    def loss(rows):
        parts = (each[rows] for each in (logits, label_map, weights, is_real))
        return segmentation_loss(*parts, synthetic_weight=0.5)

    expected, expected_parts = loss(slice(4))
    results = Ranks(monkeypatch).run(lambda rank: loss(slice(2 * rank, 2 * rank + 2)))
    torch.testing.assert_close(results[0][0] + results[1][0], expected)
    for _, parts in results:
        torch.testing.assert_close(parts, expected_parts)


def test_weights_are_repeated_over_their_pixels():
    pixels = spread_to_pixels(torch.tensor([[[1.0, 2.0]]]), 3, 6)
    assert pixels.tolist() == [[[1, 1, 1, 1, 2, 2]] * 3]


class LeftHalf(Uniform):
    """Weighs the left half of what it gets 2, the rest 0."""

    weighs_uncropped = True

    def step(self, evidence, *, is_warmup):
        self.asked = evidence
        weights = torch.zeros_like(evidence.label_map, dtype=torch.float32)
        weights[:, :, : weights.shape[2] // 2] = 2
        return weights, {}


def test_weights_of_uncropped_images_are_laid_over_what_was_made_of_them():
    method = LeftHalf()
    trainer = Trainer(
        build_segmenter("tests.tiny:make_segmenter", 2),
        method,
        stages=(),
        settings=FitConfig(size=(32, 32)),
        device=choose_device("cpu", "float32"),
    )
    shown = torch.tensor([[-0.5, 0, -0.5], [0, 1, 0]])  # the left half, flipped
    unchanged = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    images = torch.randint(0, 256, (3, 3, 16, 32), dtype=torch.uint8)
    labels = torch.zeros(3, 16, 32, dtype=torch.uint8)
    uncropped = Uncropped(images[1:].flip(0), labels[1:], torch.stack([shown, unchanged]))
    is_real = torch.tensor([True, False, False])
    batch = Batch(images, labels, is_real, ("r0:a", "s0:a", "s0:b"), uncropped=uncropped)
    evidence = gather_evidence(batch, to_unit_range(images), trainer.predict(images / 255.0, ()))
    weights, _ = trainer._weigh(batch, evidence, is_warmup=False)
    assert weights[0].unique().tolist() == [1]  # real
    assert weights[1].mean() > 1.8
    assert weights[2, 0].tolist() == [2, 2, 2, 2, 0, 0, 0, 0]
    assert torch.equal(method.asked.images, uncropped.images / 255.0)
    assert method.asked.keys == ("s0:a", "s0:b")
    assert not method.asked.is_real.any()
