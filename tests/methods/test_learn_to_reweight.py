"""Learning to reweight, by hand and beside finite differences of the look-ahead loss."""

import pytest
import torch

from curate.methods import MethodContext, last_layer
from curate.methods.learn_to_reweight import LearnToReweight
from curate.records import Evidence
from tests.methods import test_last_layer as layers


def make_method(num_classes=2, num_features=1, kind=LearnToReweight, **settings):
    context = MethodContext(
        num_classes=num_classes,
        feature_channels={"decoder": num_features},
        real_class_px=[1000] * num_classes,
        splits={},
        build_segmenter=lambda: None,
        build_encoder=lambda name: None,
    )
    return kind.build(kind.Settings(**settings), context)


def row_of(cells, *, is_real):
    """An image of one row of cells, each (p(class 0), label, feature)."""
    first, labels, features = (torch.tensor(column) for column in zip(*cells, strict=True))
    return Evidence(
        predictions=torch.stack([first, 1 - first])[None, :, None],
        label_map=labels[None, None],
        images=torch.zeros(1, 3, 4, 4 * len(cells)),
        is_real=torch.tensor([is_real]),
        keys=("r0:a" if is_real else "s0:a",),
        features={"decoder": features[None, None, None]},
    )


def join(*images):
    def cat(parts):
        return torch.cat(list(parts))

    return Evidence(
        predictions=cat(image.predictions for image in images),
        label_map=cat(image.label_map for image in images),
        images=cat(image.images for image in images),
        is_real=cat(image.is_real for image in images),
        keys=tuple(image.keys[0] for image in images),
        features={"decoder": cat(image.features["decoder"] for image in images)},
    )


REAL = row_of([(0.5, 0, 1.0), (0.9, 255, 7.0), (0.5, 0, 1.0), (0.2, 255, 1.0)], is_real=True)
SYNTHETIC = row_of([(0.5, 0, 1.0), (0.5, 1, 1.0), (0.8, 0, 1.0), (0.5, 0, 3.0)], is_real=False)
# The mean real gradient is (-.5, .5) times (1, 1), so that G f is (-1, 1) for f = 1 and (-2, 2) for
# f = 3; the errors of the synthetic cells are (-.5, .5), (.5, -.5), (-.2, .2), (-.5, .5).
ALIGNED = torch.tensor([1.0, -1.0, 0.4, 2.0])


def test_weight_is_the_positive_part_of_the_alignment_with_the_mean_real_gradient():
    method = make_method()
    weights, metrics = method.step(join(REAL, SYNTHETIC), is_warmup=False)
    helpful = ALIGNED.clamp(min=0)
    torch.testing.assert_close(weights[1, 0], helpful / 0.85, atol=1e-4, rtol=0)  # 3.4 / 4
    assert torch.equal(weights[0], torch.ones(1, 4))
    assert metrics["helpful"] == pytest.approx(0.75)
    found = method.scores(SYNTHETIC)
    torch.testing.assert_close(found.pixel[0, 0], helpful / (4 * 0.85), atol=1e-5, rtol=0)


def test_scores_are_at_most_1():
    method = make_method(clip=1.0)
    method.step(join(REAL, SYNTHETIC), is_warmup=False)
    found = method.scores(SYNTHETIC).pixel[0, 0]
    torch.testing.assert_close(found, torch.tensor([1.0, 0.0, 0.4 / 0.85, 1.0]))


def test_scores_are_by_the_running_mean_of_real_gradients():
    method = make_method(decay=0.5)
    method.step(join(REAL, SYNTHETIC), is_warmup=False)
    opposite = row_of([(0.5, 1, 1.0)] * 4, is_real=True)  # the gradient times -1, of twice as many
    weights, _ = method.step(join(opposite, SYNTHETIC), is_warmup=False)
    assert (weights[1, 0] > 0).tolist() == [False, True, False, False]
    # sums of 2 and 4 cells, of the first of which a half is kept: (1 - 4) / (1 + 4) of the first
    mean = (0.5 * 3.4 + 1.0) / (0.5 * 4 + 4)
    expected = (ALIGNED * -0.6).clamp(min=0) / (4 * mean)
    torch.testing.assert_close(method.scores(SYNTHETIC).pixel[0, 0], expected, atol=1e-5, rtol=0)


def test_nothing_helpful_weighs_nothing():
    method = make_method()
    against = row_of([(0.5, 1, 1.0)] * 4, is_real=False)
    weights, _ = method.step(join(REAL, against), is_warmup=False)
    assert torch.equal(weights[1], torch.zeros(1, 4))


def test_alignment_is_the_derivative_of_the_real_loss_after_a_step_by_each_weight():
    """Ren et al., equation 12, by finite differences of the weights around 0."""
    weight, features, label_map = layers.make_layer()
    seen = layers.evidence_of(weight, features, label_map, [True, False])
    synthetic = last_layer.look(seen.pick([1]))
    num_real = (label_map[0] != 255).sum()

    def real_loss_after_a_step(weights):
        moved = weight - last_layer.add_up(synthetic, weights)
        return layers.losses_of(moved, features[:1], label_map[:1]).sum() / num_real

    expected = layers.differentiate(real_loss_after_a_step, torch.zeros(1, 2, 3).double())
    total, count = last_layer.real_gradient(seen)
    layers.assert_near(last_layer.align(synthetic, total / count), -expected)


def test_the_step_that_is_looked_ahead_is_one_of_gradient_descent():
    weight, features, label_map = layers.make_layer()
    seen = layers.evidence_of(weight, features, label_map, [True, False])
    total, count = last_layer.real_gradient(seen)
    expected = layers.differentiate(
        lambda moved: layers.losses_of(moved, features[:1], label_map[:1]).sum() / 5, weight
    )
    layers.assert_near(total / count, expected)
