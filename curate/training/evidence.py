"""From a segmenter's output to what methods see of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from curate import grid
from curate.records import Batch, Evidence, Uncropped

if TYPE_CHECKING:
    from torch import Tensor

    from curate.models import Prediction


def gather_evidence(batch: Batch, images: Tensor, prediction: Prediction) -> Evidence:
    """Put together, detached, what weighting networks may look at.

    Parameters
    ----------
    batch : Batch
        On the device of the segmenter.
    images : (N, 3, H, W) float32
        The batch's images in [0, 1].
    prediction : Prediction
        The segmenter's output for them.
    """
    cells = grid.grid_size(*batch.label_map.shape[1:])
    return Evidence(
        predictions=grid.probabilities(prediction.logits.detach(), *cells),
        label_map=grid.centres(batch.label_map).long(),
        images=images,
        is_real=batch.is_real,
        keys=batch.keys,
        features={name: f.detach() for name, f in prediction.features.items()},
    )


def uncropped_evidence(batch: Batch, uncropped: Uncropped, num_classes: int) -> Evidence:
    """Put together what is known of the synthetic images before their random changes."""
    label_map = grid.centres(uncropped.label_map).long()
    synthetic = [row for row, is_real in enumerate(batch.is_real.tolist()) if not is_real]
    return Evidence(
        predictions=label_map.new_empty((len(label_map), num_classes, 0, 0), dtype=torch.float32),
        label_map=label_map,
        images=to_unit_range(uncropped.images),
        is_real=torch.zeros(len(label_map), dtype=torch.bool, device=label_map.device),
        keys=tuple(batch.keys[row] for row in synthetic),
    )


def to_unit_range(images: Tensor) -> Tensor:
    """Turn uint8 images into float32 in [0, 1]."""
    return images.float().div_(255)
