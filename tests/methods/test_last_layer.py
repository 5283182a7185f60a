"""Gradients in closed form, beside finite differences and by hand."""

import torch
import torch.nn.functional as F

from curate.methods import last_layer
from curate.models import build_segmenter
from curate.records import Batch, Evidence
from curate.training.networks import gather_evidence

SHIFT = 1e-5


def make_layer(num_images=2, num_classes=3, num_features=4, seed=0):
    """A last layer in double precision, and what it makes of random inputs on 2 x 3 cells."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(num_images, num_features, 2, 3, generator=generator).double()
    weight = torch.randn(num_classes, num_features + 1, generator=generator).double()
    label_map = torch.randint(num_classes, (num_images, 2, 3), generator=generator)
    label_map[:, 0, 0] = 255
    return weight, features, label_map


def losses_of(weight, features, label_map):
    """Cross-entropy of each cell, (N, h, w); 0 where ignored."""
    logits = torch.einsum("cf,nfhw->nchw", weight[:, :-1], features)
    logits = logits + weight[None, :, -1, None, None]
    return F.cross_entropy(logits, label_map, ignore_index=255, reduction="none")


def evidence_of(weight, features, label_map, is_real):
    logits = torch.einsum("cf,nfhw->nchw", weight[:, :-1], features)
    return Evidence(
        predictions=(logits + weight[None, :, -1, None, None]).softmax(dim=1),
        label_map=label_map,
        images=torch.zeros(len(features), 3, 8, 12),
        is_real=torch.tensor(is_real),
        keys=tuple(f"{'r' if real else 's'}0:{row}" for row, real in enumerate(is_real)),
        features={"decoder": features},
    )


def differentiate(function, point):
    """Gradient of a scalar function by central differences."""
    gradient = torch.zeros_like(point)
    for index in range(point.numel()):
        step = torch.zeros_like(point).flatten()
        step[index] = SHIFT
        step = step.view_as(point)
        gradient.view(-1)[index] = (function(point + step) - function(point - step)) / (2 * SHIFT)
    return gradient


def assert_near(found, expected, share=1e-4):
    """The length of the difference is a small share of the length."""
    assert expected.norm() > 1e-3
    assert (found - expected).norm() <= share * expected.norm()


def test_sum_of_gradients_agrees_with_finite_differences():
    weight, features, label_map = make_layer()
    weights = torch.rand(label_map.shape, generator=torch.Generator().manual_seed(1)).double()
    gradients = last_layer.look(evidence_of(weight, features, label_map, [True, True]))
    expected = differentiate(
        lambda moved: (weights * losses_of(moved, features, label_map)).sum(), weight
    )
    assert_near(last_layer.add_up(gradients, weights), expected)


def test_alignment_is_what_a_step_along_a_cells_gradient_does():
    weight, features, label_map = make_layer()
    gradients = last_layer.look(evidence_of(weight, features, label_map, [True, True]))
    direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)).double()
    expected = torch.zeros(label_map.shape).double()
    for row, column in ((0, 1), (1, 2), (1, 0)):
        for image in range(2):

            def along(step, cell=(image, row, column)):
                return losses_of(weight + step * direction, features, label_map)[cell]

            expected[image, row, column] = differentiate(along, torch.zeros(1).double())
    found = last_layer.align(gradients, direction)
    assert_near(found * (expected != 0), expected)


def test_changed_layer_has_the_gradients_of_its_new_predictions():
    weight, features, label_map = make_layer()
    change = torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)).double()
    before, after = (
        evidence_of(layer, features, label_map, [True, True]) for layer in (weight, weight - change)
    )
    found, expected = last_layer.look(before, change), last_layer.look(after)
    torch.testing.assert_close(found.errors, expected.errors)
    assert torch.equal(found.inputs, expected.inputs)


def test_losses_are_those_of_the_given_labels():
    weight, features, label_map = make_layer()
    seen = evidence_of(weight, features, label_map, [True, True])
    expected = losses_of(weight, features, label_map)
    torch.testing.assert_close(last_layer.losses(seen.predictions, label_map), expected)


def test_ignored_cells_have_no_gradient():
    gradients = last_layer.look(evidence_of(*make_layer(), [True, True]))
    lengths = last_layer.lengths(gradients)
    assert torch.equal(lengths == 0, make_layer()[2] == 255)


def test_factors_by_hand():
    predictions = torch.tensor([0.8, 0.2])[None, :, None, None]
    inputs = torch.tensor([2.0, 2.0, 1.0])[None, :, None, None]
    gradients = last_layer.factor(predictions, inputs, torch.tensor([[[1]]]))
    expected = torch.tensor([[1.6, 1.6, 0.8], [-1.6, -1.6, -0.8]])
    torch.testing.assert_close(last_layer.add_up(gradients, torch.ones(1, 1, 1)), expected)
    torch.testing.assert_close(last_layer.lengths(gradients).item(), 3 * 0.8 * 2**0.5)
    direction = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 10.0]])
    torch.testing.assert_close(last_layer.align(gradients, direction).item(), 1.6 - 8.0)


def test_coarser_features_are_brought_to_the_cells():
    weight, features, label_map = make_layer()
    seen = evidence_of(weight, features, label_map, [True, True])
    seen.features["decoder"] = features[:, :, :1, :1]
    expected = features[:, :, :1, :1].expand(-1, -1, 2, 3)
    torch.testing.assert_close(last_layer.look(seen).inputs[:, :-1], expected)


def test_gradients_are_those_that_back_propagation_finds():
    """In a segmenter, between its own last layer and the loss of the grid's cells."""
    torch.manual_seed(0)
    segmenter = build_segmenter("tests.tiny:make_segmenter", 3)
    labels = torch.randint(3, (2, 16, 24), dtype=torch.uint8)
    images, is_real = torch.rand(2, 3, 16, 24), torch.tensor([True, False])
    prediction = segmenter(images, last_layer.STAGES)
    seen = gather_evidence(Batch(images, labels, is_real, ("r0:a", "s0:a")), images, prediction)
    F.cross_entropy(prediction.logits, seen.label_map, reduction="sum").backward()
    layer = segmenter.network[5]
    expected = torch.cat([layer.weight.grad.flatten(1), layer.bias.grad[:, None]], dim=1)
    found = last_layer.add_up(last_layer.look(seen), torch.ones(2, 4, 6))
    assert_near(found, expected)
