"""Closed forms against automatic differentiation."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.benchmarks.last_layer import Seen, class_gradients, cosine_with_class

NUM_CLASSES, NUM_FEATURES = 3, 4


@pytest.fixture
def cells():
    """Two images of 2x3 cells, as a last layer sees them, and the gradient of every cell."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, NUM_FEATURES, 2, 3, generator=generator).half().float()
    labels = torch.randint(NUM_CLASSES, (2, 2, 3), generator=generator)
    layer = nn.Conv2d(NUM_FEATURES, NUM_CLASSES, 1)
    logits = layer(features)
    losses = F.cross_entropy(logits, labels, reduction="none")
    gradients = []
    for loss in losses.flatten():
        weight, bias = torch.autograd.grad(loss, layer.parameters(), retain_graph=True)
        gradients.append(torch.cat([weight[:, :, 0, 0], bias[:, None]], dim=1))
    seen = Seen(
        logits.softmax(dim=1).detach(), F.pad(features, (0, 0, 0, 0, 0, 1), value=1.0).half()
    )
    return seen, labels, torch.stack(gradients)


def test_class_gradients_are_the_means_of_the_cells(cells):
    seen, labels, gradients = cells
    labels = torch.where(labels == 1, 1, 0)  # the gradients of cells of class 1 stay as they are
    means = class_gradients(seen, labels)
    assert means.shape == (NUM_CLASSES, NUM_CLASSES, NUM_FEATURES + 1)
    assert (means[2] == 0).all()
    was_one = labels.flatten() == 1
    torch.testing.assert_close(means[1], gradients[was_one].mean(dim=0), atol=1e-5, rtol=1e-4)


def test_cosine_is_that_of_the_flattened_gradients(cells):
    seen, labels, gradients = cells
    means = torch.randn(NUM_CLASSES, NUM_CLASSES, NUM_FEATURES + 1)
    expected = F.cosine_similarity(
        gradients.flatten(1), means[labels.flatten()].flatten(1), dim=1
    ).view(labels.shape)
    torch.testing.assert_close(cosine_with_class(seen, labels, means), expected)
