"""Gradients of cells' losses by the segmenter's last layer, without back-propagation.

The gradient of a cell's cross-entropy by a linear layer is ``(p - y) f^T``, p being the
probabilities, y the label one-hot and f the layer's input, with a 1 for its bias. Its inner product
with a matrix G is ``(p - y)^T G f``, its length ``|p - y| |f|``; no gradient is ever formed.

Of a segmenter whose last layer is no 1x1 convolution, or is followed by another resizing than
bilinear, these are the gradients by a linear layer from its ``decoder`` to its logits that is added
to it and starts at 0.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from curate import distributed, grid, models, records

STAGES: Final = (models.segmenter.DECODER,)
"""What `look` needs in its evidence."""
LEAST: Final = 1e-12


class Gradients(NamedTuple):
    """Factors of the gradient of each cell.

    Attributes
    ----------
    errors : (N, C, h, w) float32
        Gradient of the cell's loss by its logits, ``p - y``; 0 where the cell is ignored.
    inputs : (N, F + 1, h, w) float32
        What the last layer is given, and a 1.
    """

    errors: Tensor
    inputs: Tensor


def look(evidence: records.Evidence, change: Tensor | None = None) -> Gradients:
    """Take the factors from what is known of a batch.

    Parameters
    ----------
    evidence : Evidence
    change : (C, F + 1) float32, optional
        What is taken from the last layer before, as by a step of gradient descent.
    """
    height, width = evidence.label_map.shape[1:]
    features = grid.to_grid(evidence.features[STAGES[0]], (height, width))
    inputs = F.pad(features, (0, 0, 0, 0, 0, 1), value=1.0)
    predictions = evidence.predictions
    if change is not None:  # probabilities are logits but for a constant
        logits = predictions.clamp(min=LEAST).log()
        predictions = (logits - torch.einsum("cf,nfhw->nchw", change, inputs)).softmax(dim=1)
    return factor(predictions, inputs, evidence.label_map)


def factor(predictions: Tensor, inputs: Tensor, label_map: Tensor) -> Gradients:
    """Take the factors from predictions (N, C, h, w), inputs with a 1, and labels (N, h, w)."""
    labels = grid.one_hot(label_map, predictions.shape[1])
    valid = label_map != records.IGNORE_INDEX
    return Gradients((predictions - labels) * valid[:, None], inputs)


def losses(predictions: Tensor, label_map: Tensor) -> Tensor:
    """Cross-entropy of each cell, (N, h, w); 0 where ignored."""
    index = label_map.clamp(max=predictions.shape[1] - 1)[:, None]
    chosen = predictions.gather(1, index)[:, 0].clamp(min=LEAST)
    return -chosen.log() * (label_map != records.IGNORE_INDEX)


def add_up(gradients: Gradients, weights: Tensor) -> Tensor:
    """Sum the gradients of all cells, weighted by (N, h, w): (C, F + 1)."""
    errors = (gradients.errors * weights[:, None]).movedim(1, 0).flatten(1)
    return errors @ gradients.inputs.movedim(1, 0).flatten(1).T


def real_gradient(
    evidence: records.Evidence, change: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sum the gradients of all real cells of a step, (C, F + 1), and count them; see `look`."""
    real = evidence.pick(torch.nonzero(evidence.is_real)[:, 0].tolist())
    valid = (real.label_map != records.IGNORE_INDEX).to(real.predictions)
    total = add_up(look(real, change), valid)
    return distributed.sum_over_ranks(total), distributed.sum_over_ranks(valid.sum())


def align(gradients: Gradients, direction: Tensor) -> Tensor:
    """Inner product of each cell's gradient with a direction (C, F + 1), (N, h, w)."""
    turned = torch.einsum("cf,nfhw->nchw", direction, gradients.inputs)
    aligned: Tensor = (gradients.errors * turned).sum(dim=1)
    return aligned


def lengths(gradients: Gradients) -> Tensor:
    """Norm of each cell's gradient, (N, h, w)."""
    norms: Tensor = gradients.errors.norm(dim=1) * gradients.inputs.norm(dim=1)
    return norms
