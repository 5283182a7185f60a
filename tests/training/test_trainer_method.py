"""What a trainer does with its method beside the step: measure it, share it, save it."""

import copy
import math

import pytest
import torch
from torch import nn

from curate import distributed
from curate.config import FitConfig
from curate.job import World
from curate.methods.uniform import Uniform
from curate.models.devices import choose_device
from curate.models.segmenter import Segmenter
from curate.records import Batch
from curate.training.trainer import Trainer, segmentation_loss


class Counting(Uniform):
    """Learns, each time it is measured, how often it was."""

    def __init__(self, start=0.0):
        super().__init__()
        self.register_buffer("learned", torch.tensor(start))
        self.history, self.seen = [], []

    def evaluate(self, held_out, *, is_last):
        self.learned += 1
        self.seen.append((list(held_out), is_last, self.training))
        self.history.append(float(self.learned))
        return {"times": float(self.learned)}

    def training_state(self):
        return {"history": list(self.history)}

    def load_training_state(self, state):
        self.history = list(state["history"])


def make_trainer(method):
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Dropout(0.5))
    segmenter = Segmenter(
        network, num_classes=2, mean=(0.0,) * 3, std=(1.0,) * 3, stages={}, backbone_prefixes=()
    )
    return Trainer(
        segmenter,
        method,
        stages=("0",),
        settings=FitConfig(steps=10),
        device=choose_device("cpu", "float32"),
    )


def make_batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8, generator=generator),
        torch.zeros(2, 8, 8, dtype=torch.uint8),
        torch.tensor([True, False]),
        ("r0:a", "s0:a"),
    )


def in_two_processes(monkeypatch, call):
    """Call something in the first process, then in the second, which gets the first's answers."""
    answers = []

    def broadcast(value):
        answers.append(value)
        return value

    first, second = make_trainer(Counting(3.0)), make_trainer(Counting(50.0))
    first.world, second.world = World(0, 2, 0), World(1, 2, 1)
    monkeypatch.setattr(distributed, "broadcast_object", broadcast)
    monkeypatch.setattr(distributed._job, "world", first.world)
    here = call(first)
    monkeypatch.setattr(distributed, "broadcast_object", lambda _: answers.pop(0))
    monkeypatch.setattr(distributed._job, "world", second.world)
    there = call(second)
    assert answers == []
    return (first, here), (second, there)


def test_method_is_measured_on_held_out_images_as_scoring_would_run_them():
    trainer = make_trainer(Counting())
    trainer.segmenter.train()
    trainer.method.train()
    batches = [make_batch(0), make_batch(1)]
    assert trainer.evaluate(batches, is_last=True) == {"times": 1.0}
    ((gathered, is_last, was_training),) = trainer.method.seen
    assert is_last
    assert not was_training
    assert not trainer.segmenter.training  # nothing is dropped
    convolution = trainer.segmenter.network[0]
    for evidence, batch in zip(gathered, batches, strict=True):
        images = batch.images / 255
        assert torch.equal(evidence.images, images)
        pixels = convolution(images).softmax(dim=1)
        cells = nn.functional.avg_pool2d(pixels, 4)
        torch.testing.assert_close(evidence.predictions, cells)
        assert evidence.features.keys() == {"0"}
        assert not evidence.features["0"].requires_grad
        assert not evidence.predictions.requires_grad
    assert trainer.evaluate(batches, is_last=False) == {"times": 2.0}
    assert not trainer.method.seen[1][1]


def test_nothing_is_measured_where_nothing_is_held_out():
    trainer = make_trainer(Counting())
    assert trainer.evaluate([], is_last=True) == {}
    assert trainer.method.seen == []


def test_first_process_measures_and_the_other_takes_its_method_over(monkeypatch):
    (first, here), (second, there) = in_two_processes(
        monkeypatch, lambda trainer: trainer.evaluate([make_batch()], is_last=False)
    )
    assert here == there == {"times": 4.0}
    assert (first.method.learned, second.method.learned) == (4, 4)
    assert second.method.history == first.method.history == [4.0]
    assert second.method.seen == []


def test_method_is_shared_and_the_segmenter_is_not(monkeypatch):
    def share(trainer):
        trainer.before = copy.deepcopy(trainer.segmenter.state_dict())
        trainer.method.history.append(float(trainer.method.learned))
        trainer.share_method()

    (first, _), (second, _) = in_two_processes(monkeypatch, share)
    assert second.method.learned == first.method.learned == 3
    assert second.method.history == [3.0]
    torch.testing.assert_close(second.segmenter.state_dict(), second.before)


def test_process_that_is_alone_shares_with_nobody(monkeypatch):
    trainer = make_trainer(Counting())
    monkeypatch.setattr(trainer.method, "load_training_state", lambda _: pytest.fail("loaded"))
    trainer.share_method()


def test_restored_trainer_goes_on_with_everything():
    torch.manual_seed(0)
    trainer = make_trainer(Counting())
    for number in (2, 3):
        trainer.step(number, make_batch(number))
    trainer.evaluate([make_batch()], is_last=False)
    torch.manual_seed(1)
    restored = make_trainer(Counting(9.0))
    restored.load_state(copy.deepcopy(trainer.state()))
    assert restored.method.history == [1.0]
    for each in (trainer, restored):
        each.step(4, make_batch(4))
    torch.testing.assert_close(restored.state(), trainer.state(), rtol=0, atol=0)


@pytest.mark.parametrize("use_bfloat16", [False, True])
def test_segmenter_computes_in_the_chosen_precision(use_bfloat16):
    device = choose_device("cpu", "bfloat16" if use_bfloat16 else "float32")
    with device.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if use_bfloat16 else torch.float32)


def test_logits_of_a_coarser_grid_are_interpolated_to_the_pixels():
    # One row: logits 0 and 4 of class 1 for two pixels each. Between their centres, the pixels at
    # 1/4 and 3/4 have 1 and 3; the outer ones keep 0 and 4.
    logits = torch.zeros(1, 2, 1, 2)
    logits[0, 1, 0, 1] = 4
    label_map = torch.tensor([[[0, 0, 1, 1]]])
    loss, _ = segmentation_loss(
        logits, label_map, torch.ones(1, 1, 4), torch.tensor([True]), synthetic_weight=1.0
    )
    losses = [math.log1p(math.exp(x)) for x in (0, 1, -3, -4)]
    assert loss.item() == pytest.approx(sum(losses) / 4)
