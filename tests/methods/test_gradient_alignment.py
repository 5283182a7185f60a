"""The cosine with real gradients, by hand: cells of one feature and two classes."""

import pytest
import torch
import torch.nn.functional as F

from curate.methods import last_layer
from curate.methods.gradient_alignment import GradientAlignment, class_gradients, cosine_with_class
from tests.methods import test_last_layer as layers
from tests.methods.test_learn_to_reweight import join, make_method, row_of

REAL = row_of([(0.5, 0, 1.0), (0.9, 255, 7.0), (0.7, 0, 1.0), (0.2, 1, 2.0)], is_real=True)
SYNTHETIC = row_of([(0.5, 0, 1.0), (0.8, 0, -3.0), (0.5, 1, 0.5), (0.8, 1, -2.0)], is_real=False)
# Errors are (-d, d) for class 0, (d, -d) for class 1, so that the cosine is that of (f, 1) with the
# (f, 1) of the real cells of its class: (1, 1) for class 0, (2, 1) for class 1.
COSINES = torch.tensor([1.0, -2 / 20**0.5, 2 / (5 * 1.25) ** 0.5, -3 / 5])


def test_score_is_the_cosine_with_the_mean_real_gradient_of_the_class():
    method = make_method(kind=GradientAlignment, min_ess=1e-6, max_power=1.0)
    weights, _ = method.step(join(REAL, SYNTHETIC), is_warmup=False)
    scores = (1 + COSINES) / 2
    torch.testing.assert_close(method.scores(SYNTHETIC).pixel[0, 0], scores)
    torch.testing.assert_close(weights[1, 0], scores / scores.mean(), atol=1e-4, rtol=0)


def test_gradients_of_a_class_are_summed_and_counted():
    sums, counts = class_gradients(last_layer.look(REAL), REAL.label_map)
    first, second = torch.tensor([[-0.8, -0.8], [0.8, 0.8]]), torch.tensor([[0.4, 0.2]])
    torch.testing.assert_close(sums, torch.stack([first, torch.cat([second, -second])]))
    assert counts.tolist() == [2, 1]


def test_mean_gradients_decay():
    method = make_method(kind=GradientAlignment, decay=0.5)
    method.step(join(REAL, SYNTHETIC), is_warmup=False)
    other = row_of([(0.5, 0, -1.0)] * 4, is_real=True)
    method.step(join(other, SYNTHETIC), is_warmup=False)
    assert method.real_counts.tolist() == [5.0, 0.5]
    # class 0: half of (-.8) (1, 1), and 4 (-.5) (-1, 1)
    expected = torch.tensor([-0.4 + 2.0, -0.4 - 2.0])
    torch.testing.assert_close(method.real_sums[0], torch.stack([expected, -expected]))


def test_class_without_real_cells_is_rated_as_unknown():
    method = make_method(kind=GradientAlignment)
    assert torch.equal(method.scores(SYNTHETIC).pixel, torch.full((1, 1, 4), 0.5))


def test_sharpest_weights_keep_the_effective_sample_size():
    method = make_method(kind=GradientAlignment, min_ess=0.6, max_power=50.0)
    _, metrics = method.step(join(REAL, SYNTHETIC), is_warmup=False)
    assert metrics["ess"] == pytest.approx(0.6, abs=0.01)


def test_cell_without_a_gradient_has_no_direction():
    gradients = last_layer.look(row_of([(1.0, 0, 1.0)], is_real=True))
    means = torch.ones(2, 2, 2)
    assert torch.equal(
        cosine_with_class(gradients, torch.zeros(1, 1, 1).long(), means), torch.zeros(1, 1, 1)
    )


def test_cosine_is_that_of_the_gradients_that_back_propagation_finds():
    weight, features, label_map = layers.make_layer()
    label_map[:, 0, 0] = 0
    seen = layers.evidence_of(weight, features, label_map, [True, True])
    layer = weight.clone().requires_grad_()
    losses = layers.losses_of(layer, features, label_map).flatten()
    each = [torch.autograd.grad(loss, layer, retain_graph=True)[0].flatten() for loss in losses]
    means = torch.randn(3, *weight.shape, generator=torch.Generator().manual_seed(3)).double()
    of_class = means[label_map.flatten()].flatten(1)
    expected = F.cosine_similarity(torch.stack(each), of_class, dim=1).view(label_map.shape)
    found = cosine_with_class(last_layer.look(seen), label_map, means)
    torch.testing.assert_close(found, expected)
