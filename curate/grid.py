"""The weighting grid: an image in cells of `GRID_STRIDE` pixels a side, on which networks weigh."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from curate.records import GRID_STRIDE

_NEAR = 1e-3
"""Share of cells that count, among those that a value is interpolated from, to take it."""


def grid_size(height: int, width: int) -> tuple[int, int]:
    """Cells down and across for an image size, rounded up."""
    return -(-height // GRID_STRIDE), -(-width // GRID_STRIDE)


def centres(maps: Tensor) -> Tensor:
    """Value at the centre pixel of each cell, (N, H, W) to (N, h, w)."""
    half = GRID_STRIDE // 2
    rows = (torch.arange(0, maps.shape[1], GRID_STRIDE) + half).clamp(max=maps.shape[1] - 1)
    columns = (torch.arange(0, maps.shape[2], GRID_STRIDE) + half).clamp(max=maps.shape[2] - 1)
    return maps[:, rows.to(maps.device)][:, :, columns.to(maps.device)]


def spread_to_pixels(cells: Tensor, height: int, width: int) -> Tensor:
    """Repeat each cell's value over its pixels, (N, h, w) to (N, H, W)."""
    pixels = cells.repeat_interleave(GRID_STRIDE, dim=1).repeat_interleave(GRID_STRIDE, dim=2)
    return pixels[:, :height, :width]


def spread_image_means(cells: Tensor, valid: Tensor) -> Tensor:
    """Give each cell the mean over its image's valid cells, (N, h, w) all; 0 where none is."""
    means = (cells * valid).sum(dim=(1, 2)) / valid.sum(dim=(1, 2)).clamp(min=1)
    return means[:, None, None].expand_as(cells).contiguous()


def probabilities(logits: Tensor, height: int, width: int) -> Tensor:
    """Class probabilities on a grid of h times w cells, (N, C, h', w') to (N, C, h, w) float32."""
    return to_grid(logits.float().softmax(dim=1), (height, width))


def warp_to_views(cells: Tensor, valid: Tensor, views: Tensor, size: tuple[int, int]) -> Tensor:
    """Take cells of uncropped images to the cells of the views that were made of them.

    Parameters
    ----------
    cells : (M, h, w) float32
    valid : (M, h, w) bool
        Cells that count; between cells it is interpolated.
    views : (M, 2, 3) float32
        See `curate.records.Uncropped`.
    size : (int, int)
        Height and width of uncropped images, and of the views, in pixels.

    Returns
    -------
    seen : (M, h, w) float32
        1 where no cell that counts is near.
    """
    height, width = cells.shape[1:]
    # the last cells may reach beyond the image, and with them 1 in the coordinates of the grid
    reach = cells.new_tensor([size[1] / width, size[0] / height]) / GRID_STRIDE
    theta = views.to(cells, copy=True)
    turned = theta[:, :, :2].sum(dim=2)
    theta[:, :, 2] = turned * (1 - reach) + (theta[:, :, 2] + 1) * reach - 1
    places = F.affine_grid(theta, [len(cells), 1, height, width], align_corners=False)
    layers = torch.stack([cells * valid, valid.to(cells)], dim=1)
    found = F.grid_sample(layers, places, padding_mode="border", align_corners=False)
    return torch.where(found[:, 1] > _NEAR, found[:, 0] / found[:, 1].clamp(min=_NEAR), 1.0)


def to_grid(values: Tensor, grid: tuple[int, int]) -> Tensor:
    """Average finer maps (N, F, h', w') on a grid, interpolate coarser ones."""
    if values.shape[2:] == grid:
        return values
    if values.shape[2] > grid[0]:
        return F.adaptive_avg_pool2d(values, grid)
    return F.interpolate(values, size=list(grid), mode="bilinear", align_corners=False)


def one_hot(label_map: Tensor, num_classes: int) -> Tensor:
    """Give each class a channel, (N, h, w) int64 to (N, C, h, w) float32; all 0 where ignored."""
    index = label_map.clamp(max=num_classes)[:, None]
    size = (len(label_map), num_classes + 1, *label_map.shape[1:])
    return torch.zeros(size, device=label_map.device).scatter_(1, index, 1.0)[:, :num_classes]
