"""The weighting grid: an image in cells of `GRID_STRIDE` pixels a side, on which networks weigh."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from curate.records import GRID_STRIDE


def grid_size(height: int, width: int) -> tuple[int, int]:
    """Cells down and across for an image size, rounded up."""
    return -(-height // GRID_STRIDE), -(-width // GRID_STRIDE)


def centres(maps: Tensor) -> Tensor:
    """Value at the centre pixel of each cell, (N, H, W) to (N, h, w)."""
    half = GRID_STRIDE // 2
    rows = (torch.arange(0, maps.shape[1], GRID_STRIDE) + half).clamp(max=maps.shape[1] - 1)
    columns = (torch.arange(0, maps.shape[2], GRID_STRIDE) + half).clamp(max=maps.shape[2] - 1)
    return maps[:, rows.to(maps.device)][:, :, columns.to(maps.device)]


def to_grid(values: Tensor, grid: tuple[int, int]) -> Tensor:
    """Average finer maps (N, F, h', w') on a grid, interpolate coarser ones."""
    if values.shape[2:] == grid:
        return values
    if values.shape[2] > grid[0]:
        return F.adaptive_avg_pool2d(values, grid)
    return F.interpolate(values, size=list(grid), mode="bilinear", align_corners=False)
