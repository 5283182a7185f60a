"""Cut images into regions, and pool scores over cells, regions and classes.

A *cell* is a square of `stride` x `stride` pixels of the original image; maps of an H x W image
have ``ceil(H / stride)`` x ``ceil(W / stride)`` of them, those at the lower and right border
being cut off by the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from curate.records import IGNORE_INDEX, RegionTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def count_cell_classes(
    label_map: NDArray[np.uint8], *, num_classes: int, stride: int
) -> NDArray[np.int64]:
    """Count the pixels of each class in each cell.

    Parameters
    ----------
    label_map : (H, W) uint8
        Class indices, 255 = ignore.

    Returns
    -------
    counts : (h, w, C) int64
        h = ceil(H / stride), w = ceil(W / stride); ignored pixels are in no count.
    """
    height, width = label_map.shape
    rows, columns = -(-height // stride), -(-width // stride)
    cell = (np.arange(height) // stride)[:, None] * columns + np.arange(width) // stride
    key = cell * (num_classes + 1) + np.minimum(label_map, num_classes)
    counts = np.bincount(key.ravel(), minlength=rows * columns * (num_classes + 1))
    return counts.reshape(rows, columns, num_classes + 1)[:, :, :num_classes]


def slic_regions(
    image: NDArray[np.uint8], cell_labels: NDArray[np.uint8], region_cells: float
) -> NDArray[np.int64]:
    """Cut the image into superpixels of about `region_cells` x `region_cells` cells.

    SLIC: Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods",
    TPAMI 2012, doi 10.1109/TPAMI.2012.120, by scikit-image.
    """
    from skimage.segmentation import slic

    num_segments = max(1, round(cell_labels.size / region_cells**2))
    if num_segments == 1:
        return np.zeros(cell_labels.shape, dtype=np.int64)
    segments = slic(image, n_segments=num_segments, compactness=10.0, start_label=0)
    return np.asarray(segments, dtype=np.int64)


def component_regions(
    image: NDArray[np.uint8],  # noqa: ARG001 (the families share one signature)
    cell_labels: NDArray[np.uint8],
    region_cells: float,  # noqa: ARG001
) -> NDArray[np.int64]:
    """Cut along the label map: connected cells of one class (or of ignored cells) are a region."""
    from skimage.measure import label

    return np.asarray(label(cell_labels, background=-1, connectivity=1), dtype=np.int64) - 1


def grid_regions(
    image: NDArray[np.uint8],  # noqa: ARG001
    cell_labels: NDArray[np.uint8],
    region_cells: float,
) -> NDArray[np.int64]:
    """Cut into squares of `region_cells` x `region_cells` cells (rounded, at least one)."""
    height, width = cell_labels.shape
    side = max(1, round(region_cells))
    columns = -(-width // side)
    row: NDArray[np.int64] = np.arange(height) // side
    column: NDArray[np.int64] = np.arange(width) // side
    ids: NDArray[np.int64] = row[:, None] * columns + column
    return ids


REGION_KINDS: Final[
    dict[str, Callable[[NDArray[np.uint8], NDArray[np.uint8], float], NDArray[np.int64]]]
] = {
    "slic": slic_regions,
    "components": component_regions,
    "grid": grid_regions,
}
"""How to cut: ``(image (h, w, 3), label of each cell (h, w), region side in cells) -> ids``."""


def weighted_mean(
    values: NDArray[np.floating],
    counts: NDArray[np.integer],
    groups: NDArray[np.integer],
    size: int,
) -> NDArray[np.float64]:
    """Mean of `values` in each of `size` groups, weighted by `counts`; NaN for an empty group.

    Examples
    --------
    >>> weighted_mean(np.array([1.0, 0.0, 0.5]), np.array([3, 1, 0]), np.array([0, 0, 1]), 2)
    array([0.75,  nan])
    """
    sums = np.bincount(groups.ravel(), weights=(values * counts).ravel(), minlength=size)
    totals = np.bincount(groups.ravel(), weights=counts.ravel(), minlength=size)
    means: NDArray[np.float64] = np.full(size, np.nan)
    np.divide(sums, totals, out=means, where=totals > 0)
    return means


def describe_regions(
    region_ids: NDArray[np.integer],
    cell_counts: NDArray[np.int64],
    cell_scores: NDArray[np.float32],
    *,
    stride: int,
    height: int,
    width: int,
) -> RegionTable:
    """Tabulate area, bounding box, class and mean score of each region of one image.

    Parameters
    ----------
    region_ids : (h, w) int
        Region of each cell, 0 .. R-1, every number in use.
    cell_counts : (h, w, C) int64
        From `count_cell_classes`.
    cell_scores : (h, w) float32
        Combined score of each cell in [0, 1].
    stride, height, width : int
        Pixels per cell and size of the original image.
    """
    size = int(region_ids.max()) + 1
    groups = region_ids.ravel()
    rows, columns = region_ids.shape
    cell_heights = np.minimum(stride, height - np.arange(rows) * stride)
    cell_widths = np.minimum(stride, width - np.arange(columns) * stride)
    areas = np.outer(cell_heights, cell_widths)
    class_counts = np.zeros((size, cell_counts.shape[2]), dtype=np.int64)
    np.add.at(class_counts, groups, cell_counts.reshape(len(groups), -1))
    valid_px = class_counts.sum(axis=1)
    top, bottom = _extent(groups, np.repeat(np.arange(rows), columns), size)
    left, right = _extent(groups, np.tile(np.arange(columns), rows), size)
    return RegionTable(
        class_id=np.where(valid_px > 0, class_counts.argmax(axis=1), IGNORE_INDEX).astype(np.int16),
        area_px=np.bincount(groups, weights=areas.ravel(), minlength=size).astype(np.int64),
        valid_px=valid_px,
        top=(top * stride).astype(np.int32),
        left=(left * stride).astype(np.int32),
        bottom=np.minimum(bottom * stride, height).astype(np.int32),
        right=np.minimum(right * stride, width).astype(np.int32),
        score=weighted_mean(cell_scores, cell_counts.sum(axis=2), region_ids, size),
    )


def _extent(
    groups: NDArray[np.integer], positions: NDArray[np.integer], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Half-open range of positions of each group."""
    first = np.full(size, np.iinfo(np.int64).max)
    last = np.zeros(size, dtype=np.int64)
    np.minimum.at(first, groups, positions)
    np.maximum.at(last, groups, positions + 1)
    return first, last
