"""One step of the joint training, worked out by hand.

A real and a synthetic image of 4x8 pixels, two cells of the weighting grid each:

- the real one is red; its left cell is labelled 1, its right one is ignored;
- the synthetic one is red on the left and green on the right, labelled 0; the last of its
  columns is ignored; a method weighs its left cell 0 and its right one 2.

The segmenter is a 1x1 convolution without offsets. Its logits of class 0 are 0, those of class 1
are ln 3 where it is red and ln 7 where it is green, so that class 1 has the probability 3/4 on
red, 7/8 on green. An image's gradient is, at each pixel, the probabilities less the label's
one-hot vector. Labelled are 16 real pixels, and 16 and 12 synthetic ones.
"""

import math
from collections import OrderedDict

import pytest
import torch
from torch import nn

from curate.config import FitConfig
from curate.job import World
from curate.methods.uniform import Uniform
from curate.models.devices import choose_device
from curate.models.segmenter import Segmenter
from curate.records import Batch
from curate.training.trainer import Trainer

STEPS = 40
LAMBDA = 0.5
LN_3, LN_7 = math.log(3), math.log(7)

CE_REAL = math.log(4 / 3)  # class 1 on red
CE_LEFT, CE_RIGHT = math.log(4), math.log(8)  # class 0 on red, and on green

GREEN_AFTER_WARMUP = LAMBDA * (0 * 16 + 2 * 12 * 7 / 8) / 28
RED_AFTER_WARMUP = -1 / 4  # of the real image alone: the left cell weighs 0
GREEN_IN_WARMUP = LAMBDA * (12 * 7 / 8) / 28
RED_IN_WARMUP = -1 / 4 + LAMBDA * (16 * 3 / 4) / 28

# The penalty is the sum over all four cells of the probability p of class 1; its slope in the
# logit is p (1 - p): three cells are red, one is green.
RED_OF_PENALTY = 3 * 3 / 4 * 1 / 4
GREEN_OF_PENALTY = 7 / 8 * 1 / 8


class ZeroAndTwo(Uniform):
    """Weighs the left cell 0 and the right one 2 after the warm-up; keeps what it was told."""

    def __init__(self, *, penalises=False):
        super().__init__()
        self.penalises = penalises
        self.warmups, self.seen, self.draws = [], [], []

    def step(self, evidence, *, is_warmup):
        self.warmups.append(is_warmup)
        self.seen.append(evidence)
        self.draws.append(torch.rand(()).item())
        weights = torch.tensor([0.0, 2.0]).expand(evidence.label_map.shape)
        if is_warmup:
            weights = torch.ones_like(weights)
        return weights, {"draw": self.draws[-1]}

    @property
    def has_penalty(self):
        return self.penalises

    def penalty(self, predictions, evidence):
        self.penalised = evidence
        return predictions[:, 1].sum()


def make_network(red=LN_3, green=LN_7):
    network = nn.Conv2d(3, 2, 1, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[0, 0, 0], [red, green, 0]])[..., None, None])
    return network


def make_trainer(method, network=None, **settings):
    network = network or make_network()
    segmenter = Segmenter(
        network,
        num_classes=2,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        stages={},
        backbone_prefixes=["backbone"],
    )
    chosen = {"steps": STEPS, "warmup": 0.25, "synthetic_weight": LAMBDA, "weight_decay": 0.0}
    return Trainer(
        segmenter,
        method,
        stages=(),
        settings=FitConfig(**(chosen | settings)),
        device=choose_device("cpu", "float32"),
    )


def make_batch():
    images = torch.zeros(2, 3, 4, 8, dtype=torch.uint8)
    images[0, 0] = 255
    images[1, 0, :, :4] = 255
    images[1, 1, :, 4:] = 255
    label_map = torch.zeros(2, 4, 8, dtype=torch.uint8)
    label_map[0, :, :4] = 1
    label_map[0, :, 4:] = 255
    label_map[1, :, 7] = 255
    return Batch(images, label_map, torch.tensor([True, False]), ("r0:a", "s0:a"))


def step(number, method=None, **settings):
    """Take one step; its measurements, and the gradient of class 1 on red, green and blue."""
    trainer = make_trainer(method or ZeroAndTwo(), **settings)
    measured = trainer.step(number, make_batch())
    gradient = trainer.segmenter.network.weight.grad[..., 0, 0]
    assert torch.allclose(
        gradient[0], -gradient[1], atol=1e-7
    )  # what two classes share adds up to 1
    return measured, gradient[1].tolist()


def by_hand(*values):
    return pytest.approx(list(values), abs=1e-6)


def test_loss_and_gradient_of_learned_weights():
    measured, gradient = step(STEPS // 2)
    assert [measured["loss_real"], measured["loss_synthetic"]] == by_hand(
        CE_REAL, (0 * 16 * CE_LEFT + 2 * 12 * CE_RIGHT) / 28
    )
    assert gradient == by_hand(RED_AFTER_WARMUP, GREEN_AFTER_WARMUP, 0)
    # the same numbers, written out
    assert measured["loss_real"] == pytest.approx(0.287682, abs=1e-6)
    assert measured["loss_synthetic"] == pytest.approx(1.782378, abs=1e-6)
    assert gradient == by_hand(-0.25, 0.375, 0)


def test_loss_and_gradient_of_the_warmup():
    measured, gradient = step(0)
    assert measured["loss_real"] == pytest.approx(0.287682, abs=1e-6)
    assert measured["loss_synthetic"] == pytest.approx((16 * CE_LEFT + 12 * CE_RIGHT) / 28)
    assert measured["loss_synthetic"] == pytest.approx(1.683358, abs=1e-6)
    assert gradient == by_hand(RED_IN_WARMUP, GREEN_IN_WARMUP, 0)
    assert gradient == by_hand(-0.035714, 0.1875, 0)


def test_synthetic_pixels_count_as_much_as_lambda_says():
    for synthetic_weight in (0.0, 1.0, 3.0):
        _, gradient = step(STEPS // 2, synthetic_weight=synthetic_weight)
        assert gradient == by_hand(-0.25, synthetic_weight * 0.75, 0)


def test_warmup_is_the_given_share_of_the_steps():
    method = ZeroAndTwo()
    trainer = make_trainer(method, warmup=0.25)
    for number in (0, 9, 10, 11, 39):
        trainer.step(number, make_batch())
    assert method.warmups == [True, True, False, False, False]
    method = ZeroAndTwo()
    make_trainer(method, warmup=0.0).step(0, make_batch())
    make_trainer(method, warmup=1.0).step(STEPS - 1, make_batch())
    assert method.warmups == [False, True]


def test_penalty_adds_to_the_gradient_after_the_warmup():
    measured, gradient = step(10, ZeroAndTwo(penalises=True))
    assert gradient == by_hand(
        RED_AFTER_WARMUP + RED_OF_PENALTY, GREEN_AFTER_WARMUP + GREEN_OF_PENALTY, 0
    )
    assert gradient == by_hand(0.3125, 0.484375, 0)
    assert measured["loss_synthetic"] == pytest.approx(1.782378, abs=1e-6)  # what it always was


def test_penalty_is_left_out_in_the_warmup_and_where_a_method_has_none():
    assert step(9, ZeroAndTwo(penalises=True))[1] == by_hand(RED_IN_WARMUP, GREEN_IN_WARMUP, 0)
    assert step(10, ZeroAndTwo())[1] == by_hand(RED_AFTER_WARMUP, GREEN_AFTER_WARMUP, 0)


def test_method_sees_the_predictions_labels_and_images_of_the_batch():
    method = ZeroAndTwo(penalises=True)
    step(10, method)
    (evidence,) = method.seen
    assert method.penalised is evidence
    class_1 = torch.tensor([[[3 / 4, 3 / 4]], [[3 / 4, 7 / 8]]])
    assert torch.allclose(evidence.predictions, torch.stack([1 - class_1, class_1], dim=1))
    assert not evidence.predictions.requires_grad
    assert evidence.label_map.tolist() == [[[1, 255]], [[0, 0]]]
    assert torch.equal(evidence.images, (make_batch().images > 0).float())
    assert evidence.is_real.tolist() == [True, False]
    assert evidence.keys == ("r0:a", "s0:a")


RATES = {0: 0.5, 1: 1.0, 2: 1.0, 21: 0.5, 33: 0.5 * (1 + math.cos(math.pi * 31 / 38))}
"""Share of the peak rate: a rise over 40 / 20 = 2 steps, then half a cosine over 38."""


@pytest.mark.parametrize(("number", "share"), RATES.items())
def test_rate_of_a_step_is_its_share_of_the_peak(number, share):
    network = nn.Sequential(
        OrderedDict(backbone=nn.Conv2d(3, 3, 1, bias=False), head=make_network())
    )
    nn.init.dirac_(network.backbone.weight)
    before = [weight.detach().clone() for weight in network.parameters()]
    trainer = make_trainer(ZeroAndTwo(), network, learning_rate=0.01)
    trainer.step(number, make_batch())
    # the first step of Adam is a full rate down the gradient's sign, its size being far above eps
    backbone, head = (
        (weight - old)[weight.grad.abs() > 0.01].abs()
        for weight, old in zip(network.parameters(), before, strict=True)
    )
    assert len(head) == 4
    assert head.tolist() == pytest.approx([0.01 * share] * len(head), rel=1e-3)
    assert len(backbone) > 0
    assert backbone.tolist() == pytest.approx([0.01 / 3 * share] * len(backbone), rel=1e-3)


def test_rate_is_that_of_the_step_not_of_the_one_before():
    trainer = make_trainer(ZeroAndTwo(), learning_rate=0.01)
    rates = []
    for number in RATES:
        trainer.step(number, make_batch())
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.01 * share for share in RATES.values()])


def test_gradients_of_two_steps_do_not_add_up():
    trainer = make_trainer(ZeroAndTwo(), learning_rate=1e-12)
    for _ in range(2):
        trainer.step(STEPS // 2, make_batch())
    assert trainer.segmenter.network.weight.grad[1, :, 0, 0].tolist() == by_hand(-0.25, 0.375, 0)


def test_step_goes_down_the_gradient():
    trainer = make_trainer(ZeroAndTwo(), learning_rate=0.01)
    trainer.step(1, make_batch())
    red, green, blue = trainer.segmenter.network.weight[1, :, 0, 0].tolist()
    assert red == pytest.approx(LN_3 + 0.01, rel=1e-5)
    assert green == pytest.approx(LN_7 - 0.01, rel=1e-5)
    assert blue == 0


def test_weights_decay_by_the_rate_times_the_setting():
    trainer = make_trainer(
        ZeroAndTwo(), make_network(green=2.0), learning_rate=0.01, weight_decay=5
    )
    trainer.step(1, make_batch())
    green = trainer.segmenter.network.weight[1, 1, 0, 0].item()
    assert green == pytest.approx(2 * (1 - 0.01 * 5) - 0.01, rel=1e-5)


def test_networks_are_in_training_mode_and_draw_by_the_number_of_the_step():
    method = ZeroAndTwo()
    trainer = make_trainer(method)
    trainer.segmenter.eval()
    method.eval()
    for number in (3, 4, 3):
        measured = trainer.step(number, make_batch())
    assert trainer.segmenter.training
    assert method.training
    assert method.draws[0] == method.draws[2] != method.draws[1]
    assert measured["draw"] == method.draws[2]
    other = ZeroAndTwo()
    make_trainer(other, seed=1).step(3, make_batch())
    assert other.draws != method.draws[:1]


def test_processes_draw_for_themselves_and_scale_their_part_of_the_loss():
    draws = set()
    for world in (World(0, 2, 0), World(1, 2, 1)):
        method = ZeroAndTwo()
        trainer = make_trainer(method)
        trainer.world = world
        trainer.step(STEPS // 2, make_batch())
        draws.add(method.draws[0])
        # of two processes the mean of the gradients is taken: each one's is doubled before
        gradient = trainer.segmenter.network.weight.grad[1, :, 0, 0].tolist()
        assert gradient == by_hand(-0.5, 0.75, 0)
    assert len(draws) == 2
