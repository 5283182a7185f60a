"""From a segmenter's output to the evidence that methods see, and back to pixel weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from curate.grid import centres, grid_size, to_grid
from curate.records import GRID_STRIDE, Batch, Evidence, Uncropped

if TYPE_CHECKING:
    from torch import Tensor

    from curate.models import Prediction


def grid_predictions(logits: Tensor, grid: tuple[int, int]) -> Tensor:
    """Class probabilities on the weighting grid, (N, C, h, w) float32."""
    return to_grid(logits.float().softmax(dim=1), grid)


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
    grid = grid_size(*batch.label_map.shape[1:])
    return Evidence(
        predictions=grid_predictions(prediction.logits.detach(), grid),
        label_map=centres(batch.label_map).long(),
        images=images,
        is_real=batch.is_real,
        keys=batch.keys,
        features={name: f.detach() for name, f in prediction.features.items()},
    )


def gather_uncropped_evidence(batch: Batch, whole: Uncropped, num_classes: int) -> Evidence:
    """Put together what can be known of the synthetic images before their random changes."""
    label_map = centres(whole.label_map).long()
    synthetic = [row for row, is_real in enumerate(batch.is_real.tolist()) if not is_real]
    return Evidence(
        predictions=label_map.new_empty((len(label_map), num_classes, 0, 0), dtype=torch.float32),
        label_map=label_map,
        images=to_unit_range(whole.images),
        is_real=torch.zeros(len(label_map), dtype=torch.bool, device=label_map.device),
        keys=tuple(batch.keys[row] for row in synthetic),
    )


def spread_to_pixels(cells: Tensor, height: int, width: int) -> Tensor:
    """Repeat each cell's value over its pixels, (N, h, w) to (N, H, W)."""
    pixels = cells.repeat_interleave(GRID_STRIDE, dim=1).repeat_interleave(GRID_STRIDE, dim=2)
    return pixels[:, :height, :width]


def to_unit_range(images: Tensor) -> Tensor:
    """Turn uint8 images into float32 in [0, 1]."""
    return images.float().div_(255)


def move(batch: Batch, device: torch.device) -> Batch:
    """Copy a batch to a device, without waiting where its memory is pinned."""
    return Batch(
        images=batch.images.to(device, non_blocking=True),
        label_map=batch.label_map.to(device, non_blocking=True),
        is_real=batch.is_real.to(device, non_blocking=True),
        keys=batch.keys,
        problems=batch.problems,
        whole=batch.whole
        and Uncropped(*(part.to(device, non_blocking=True) for part in batch.whole)),
    )
