"""A step of a reference segmenter, worked out by hand.

Two images of 4x8 pixels, red on the left and green on the right. It is a 1x1 convolution
without offsets: its logits of class 0 are 0, those of class 1 ln 3 on red and ln 7 on green, so
that class 1 has the probability 3/4 on red and 7/8 on green.
"""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from curate.methods.references import paste_superpixels, train_reference
from curate.models.schedule import warmup_cosine
from curate.models.segmenter import Segmenter
from curate.records import Batch
from curate.seeding import stable_rng


def make_reference(**parts):
    network = nn.Conv2d(3, 2, 1, bias=False)
    with torch.no_grad():
        colours = torch.tensor([[0, 0, 0], [math.log(3), math.log(7), 0]])
        network.weight.copy_(colours[..., None, None])
    return Segmenter(
        parts.get("network", network),
        num_classes=2,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        stages={},
        backbone_prefixes=(),
    )


def make_batch():
    images = torch.zeros(2, 3, 4, 8, dtype=torch.uint8)
    images[:, 0, :, :4] = 255
    images[:, 1, :, 4:] = 255
    label_map = torch.zeros(2, 4, 8, dtype=torch.uint8)
    label_map[1, :, :4] = 1
    label_map[1, :, 4:] = 255
    return Batch(images, label_map, torch.ones(2, dtype=torch.bool), ("r0:a", "r0:b"))


def no_pieces(*_):
    return None


EXCLUDED = frozenset({"r0:c"})


def make_preparation(batches, choose_superpixels):
    def draw_real(excluded, steps):
        assert excluded == EXCLUDED
        assert steps == len(batches)
        return iter(batches)

    return SimpleNamespace(draw_real=draw_real, choose_superpixels=choose_superpixels)


def train(reference, steps, pick_pieces=no_pieces, seed=0, **options):
    return train_reference(
        reference,
        make_preparation([make_batch() for _ in range(steps)], pick_pieces),
        EXCLUDED,
        **({"steps": steps, "learning_rate": 0.01} | options),
        seed=seed,
        device=torch.device("cpu"),
    )


def test_gradient_is_that_of_the_mean_over_labelled_pixels():
    reference = make_reference()
    assert list(train(reference, 1)) == [1]
    gradient = reference.network.weight.grad[1, :, 0, 0].tolist()
    # 48 pixels have a label: 16 red ones are of class 0, p = 3/4, 16 of class 1, p - 1 = -1/4,
    # 16 green ones of class 0, p = 7/8
    expected = [(16 * 3 / 4 - 16 * 1 / 4) / 48, 16 * 7 / 8 / 48, 0]
    assert gradient == pytest.approx(expected, abs=1e-6)
    assert gradient == pytest.approx([0.166667, 0.291667, 0], abs=1e-6)


def test_every_step_has_the_rate_of_the_schedule_and_the_decay():
    reference, found = make_reference(), []
    weight = reference.network.weight
    old = weight.detach().clone()
    for done in train(reference, 60):
        assert not reference.training
        found.append((old - weight)[1, 0, 0, 0].item())
        # the gradient is of one sign at first: each step of Adam is a full rate long
        expected = 0.01 * warmup_cosine(done - 1, 60) * (1 + 1e-2 * old[1, 0, 0, 0].item())
        if done <= 3:
            assert found[-1] == pytest.approx(expected, rel=0.02)
        old = weight.detach().clone()
    assert len(found) == 60
    assert abs(found[-1]) < 1e-4  # the end of the schedule


def test_reference_learns_from_pasted_pieces():
    def pick_all(image, label_map, share, rng):
        return torch.ones(label_map.shape, dtype=torch.bool)

    seen = []

    class Watched(nn.Conv2d):
        def forward(self, images):
            assert self.training
            seen.append(images)
            return super().forward(images)

    reference = make_reference(network=Watched(3, 2, 1, bias=False))
    list(train(reference, 2, pick_all, seed=7))
    for step, images in enumerate(seen):
        expected, _ = paste_superpixels(
            make_batch(), make_preparation([], pick_all), stable_rng(7, "superpixels", step)
        )
        assert torch.equal(images, expected / 255)
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], make_batch().images / 255)


def test_what_a_step_draws_is_keyed_by_its_number_and_the_seed():
    def draws_of(seed):
        drawn = []

        class Drawing(nn.Conv2d):
            def forward(self, images):
                drawn.append(torch.rand(()).item())
                return super().forward(images)

        list(train(make_reference(network=Drawing(3, 2, 1, bias=False)), 2, seed=seed))
        return drawn

    first = draws_of(0)
    assert first == draws_of(0)
    assert len({*first, *draws_of(1)}) == 4


def test_batch_without_labels_teaches_nothing():
    reference = make_reference()
    batch = make_batch()
    batch.label_map.fill_(255)
    options = {"steps": 1, "learning_rate": 0.01, "seed": 0, "device": torch.device("cpu")}
    list(train_reference(reference, make_preparation([batch], no_pieces), EXCLUDED, **options))
    assert reference.network.weight.grad.abs().max() == 0


def test_pieces_are_moved_and_come_from_an_image_of_the_batch():
    # Every pixel has a value of its own; of 5 images round(0.75 * 5) = 4 get pieces.
    label_map = torch.arange(5 * 24, dtype=torch.uint8).view(5, 4, 6)
    images = label_map[:, None].expand(5, 3, 4, 6).contiguous()
    batch = Batch(images, label_map, torch.ones(5, dtype=torch.bool), tuple("abcde"))
    shares = []

    def pick_all(image, labels, share, rng):
        shares.append(share)
        return torch.ones(labels.shape, dtype=torch.bool)

    pasted, labels = paste_superpixels(batch, make_preparation([], pick_all), stable_rng(3, "test"))
    rng = stable_rng(3, "test")
    for row in range(4):
        donor = int(rng.integers(5))
        down, across = int(rng.integers(4)), int(rng.integers(6))
        assert shares[row] == rng.uniform(0.2, 0.6)
        expected = torch.roll(label_map[donor], (down, across), (0, 1))
        assert torch.equal(labels[row], expected)
        assert torch.equal(pasted[row], expected.expand(3, 4, 6))
    assert len(shares) == 4
    assert torch.equal(labels[4], label_map[4])
    assert torch.equal(batch.label_map, torch.arange(120, dtype=torch.uint8).view(5, 4, 6))
