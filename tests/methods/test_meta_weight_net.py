"""The meta-gradient beside finite differences, and what the network learns from it."""

import torch
from torch.func import functional_call

from curate.methods import last_layer
from curate.methods.meta_weight_net import MetaWeightNet
from tests.methods import test_last_layer as layers
from tests.methods.test_learn_to_reweight import REAL, join, make_method, row_of

INNER_RATE = 3.0


def test_gradient_by_the_network_is_that_of_the_real_loss_after_a_step():
    weight, features, label_map = layers.make_layer()
    seen = layers.evidence_of(weight, features, label_map, [True, False])
    torch.manual_seed(0)
    method = make_method(3, 4, MetaWeightNet, hidden=3, inner_rate=INNER_RATE).double()
    synthetic = last_layer.look(seen.pick([1]))
    losses = layers.losses_of(weight, features[1:], label_map[1:])[..., None]
    sizes = {name: value.shape for name, value in method.network.named_parameters()}

    def real_loss_after_a_step(flat):
        parts = flat.split([size.numel() for size in sizes.values()])
        own = {name: part.view(sizes[name]) for name, part in zip(sizes, parts, strict=True)}
        ratings = functional_call(method.network, own, (losses,))[..., 0]
        moved = weight - INNER_RATE * last_layer.add_up(synthetic, ratings) / 5  # cells with labels
        return layers.losses_of(moved, features[:1], label_map[:1]).sum() / 5

    point = torch.cat([value.detach().flatten() for value in method.network.parameters()])
    with torch.no_grad():
        expected = layers.differentiate(real_loss_after_a_step, point)
    method.surrogate_loss(seen, seen.pick([1])).backward()
    found = torch.cat([value.grad.flatten() for value in method.network.parameters()])
    layers.assert_near(INNER_RATE * found, expected)


def test_ratings_are_of_the_loss():
    method = make_method(kind=MetaWeightNet, hidden=1)
    with torch.no_grad():
        for value, number in zip(method.network.parameters(), (1.0, 0.0, -1.0, 0.0), strict=True):
            value.fill_(number)
    seen = row_of([(0.5, 0, 1.0), (0.5, 1, 1.0), (0.8, 0, 1.0), (0.8, 1, 1.0)], is_real=False)
    found = method.scores(seen).pixel[0, 0]
    given = torch.tensor([0.5, 0.5, 0.8, 0.2])
    torch.testing.assert_close(found, given / (1 + given))  # the sigmoid of ln p


def test_losses_of_labels_that_work_against_the_real_ones_are_weighed_down():
    method = make_method(kind=MetaWeightNet, hidden=16, learning_rate=0.03)
    cells = [(0.9, 0, 1.0), (0.9, 1, 1.0), (0.9, 0, 1.0), (0.9, 255, 1.0)]  # the second is wrong
    seen = join(REAL, row_of(cells, is_real=False))
    for _ in range(60):
        weights, _ = method.step(seen, is_warmup=False)
    assert weights[1, 0, 1] < 0.3 * weights[1, 0, 0]
    torch.testing.assert_close(weights[1, 0, 0], weights[1, 0, 2])
