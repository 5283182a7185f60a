"""Gradients of cells' losses by a segmenter's last layer, without back-propagation.

The gradient of a cell's cross-entropy by the last layer is ``(p - y) f^T``, p being the
probabilities, y the label one-hot and f the layer's input. Its inner product with a matrix G is
``(p - y)^T G f``, and its length ``|p - y| |f|``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

_LEAST = 1e-6


class Seen(NamedTuple):
    """Probabilities and features of N images by a reference segmenter, on the weighting grid.

    Attributes
    ----------
    probabilities : (N, C, h, w) float32
    features : (N, F + 1, h, w) float16
        Input of the last layer, and a 1 for its bias.
    """

    probabilities: Tensor
    features: Tensor


def class_gradients(seen: Seen, labels: Tensor) -> Tensor:
    """Mean gradient of the cells of each class, (C, C, F + 1); 0 where a class has no cell."""
    errors = _errors(seen, labels)
    means = []
    for number in range(errors.shape[1]):
        mask = labels == number
        product = torch.einsum("nchw,nfhw->cf", errors * mask[:, None], seen.features.float())
        means.append(product / mask.sum().clamp(min=1))
    return torch.stack(means)


def cosine_with_class(seen: Seen, labels: Tensor, means: Tensor) -> Tensor:
    """Cosine of each cell's gradient with the mean one of its class, (N, h, w)."""
    errors, features = _errors(seen, labels), seen.features.float()
    inner = torch.zeros(labels.shape)
    for number, mean in enumerate(means):
        product = torch.einsum("nchw,cf,nfhw->nhw", errors, F.normalize(mean, dim=(0, 1)), features)
        inner = torch.where(labels == number, product, inner)
    return inner / (errors.norm(dim=1) * features.norm(dim=1)).clamp(min=_LEAST)


def _errors(seen: Seen, labels: Tensor) -> Tensor:
    """Gradient of the cross-entropy by the logits, (N, C, h, w); ignored cells' are of no use."""
    num_classes = seen.probabilities.shape[1]
    one_hot = F.one_hot(labels.clamp(max=num_classes - 1), num_classes)
    return seen.probabilities - one_hot.permute(0, 3, 1, 2)
