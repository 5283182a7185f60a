"""Cut images into regions, on the grid of cells of `curate.scoring.cells`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate.records import IGNORE_INDEX
from curate.scores.columns import RegionTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from curate.scoring.cells import CellClasses

_NUM_LABELS: Final = 256


def label_tile_regions(
    cell_labels: NDArray[np.uint8],
    region_cells: float,
    read_pixels: Callable[[], NDArray[np.uint8]],
) -> NDArray[np.int64]:
    """Cut along the label map and along a grid: what one class shows of one square is a region.

    No region crosses an edge of the labels, none is larger than a square, and there are at most
    as many as squares times classes in them, however speckled the labels are.
    """
    tiles = grid_regions(cell_labels, region_cells, read_pixels)
    return renumber(tiles * _NUM_LABELS + cell_labels)


def slic_regions(
    cell_labels: NDArray[np.uint8],
    region_cells: float,
    read_pixels: Callable[[], NDArray[np.uint8]],
) -> NDArray[np.int64]:
    """Cut the image into superpixels of about `region_cells` x `region_cells` cells.

    SLIC: Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods",
    TPAMI 2012, doi 10.1109/TPAMI.2012.120, by scikit-image. It takes longer than reading the
    image: choose it where regions must not know the labels.
    """
    from skimage.segmentation import slic

    num_segments = max(1, round(cell_labels.size / region_cells**2))
    if num_segments == 1:
        return np.zeros(cell_labels.shape, dtype=np.int64)
    segments = slic(read_pixels(), n_segments=num_segments, compactness=10.0, start_label=0)
    return renumber(np.asarray(segments, dtype=np.int64))


def component_regions(
    cell_labels: NDArray[np.uint8],
    region_cells: float,  # noqa: ARG001 (the families share one signature)
    read_pixels: Callable[[], NDArray[np.uint8]],  # noqa: ARG001
) -> NDArray[np.int64]:
    """Cut along the label map: connected cells of one class (or of ignored cells) are a region."""
    from skimage.measure import label

    return np.asarray(label(cell_labels, background=-1, connectivity=1), dtype=np.int64) - 1


def grid_regions(
    cell_labels: NDArray[np.uint8],
    region_cells: float,
    read_pixels: Callable[[], NDArray[np.uint8]],  # noqa: ARG001
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
    dict[
        str,
        Callable[
            [NDArray[np.uint8], float, Callable[[], NDArray[np.uint8]]],
            NDArray[np.int64],
        ],
    ]
] = {
    "label_tiles": label_tile_regions,
    "components": component_regions,
    "grid": grid_regions,
    "slic": slic_regions,
}
"""How to cut: ``(label of each cell (h, w), region side in cells, reader of the mean colour of
each cell (h, w, 3)) -> ids (h, w)``, which are 0 .. R-1, every number in use."""


def renumber(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Close the gaps between numbers >= 0, keeping their order.

    Examples
    --------
    >>> renumber(np.array([[7, 7], [2, 9]])).tolist()
    [[1, 1], [0, 2]]
    """
    is_used = np.zeros(int(ids.max(initial=-1)) + 1, np.bool_)
    is_used[ids] = True
    numbers: NDArray[np.int64] = np.cumsum(is_used) - 1
    return numbers[ids]


def outline_regions(
    region_ids: NDArray[np.integer],
    cells: CellClasses,
    *,
    stride: int,
    height: int,
    width: int,
) -> RegionTable:
    """Tabulate area, bounding box and class of each region of one image; scores stay NaN.

    Parameters
    ----------
    region_ids : (h, w) int
        Region of each cell, 0 .. R-1, every number in use.
    cells : CellClasses
    stride, height, width : int
        Pixels per cell and size of the original image.
    """
    size = int(region_ids.max()) + 1
    row, column, length, region = _runs(region_ids)
    end = np.minimum((column + length) * stride, width)
    below = np.minimum((row + 1) * stride, height)
    left, top = np.full((2, size), np.iinfo(np.int64).max)
    right, bottom = np.zeros((2, size), np.int64)
    np.minimum.at(left, region, column * stride)
    np.minimum.at(top, region, row * stride)
    np.maximum.at(right, region, end)
    np.maximum.at(bottom, region, below)
    areas = (end - column * stride) * (below - row * stride)
    key = region_ids.reshape(-1)[cells.cell] * cells.num_classes + cells.class_id
    class_px = np.bincount(key, cells.count, size * cells.num_classes).astype(np.int64)
    class_px = class_px.reshape(size, cells.num_classes)
    valid_px = class_px.sum(axis=1)
    return RegionTable(
        class_id=np.where(valid_px > 0, class_px.argmax(axis=1), IGNORE_INDEX).astype(np.int16),
        area_px=np.bincount(region, areas, size).astype(np.int64),
        valid_px=valid_px,
        top=top.astype(np.int32),
        left=left.astype(np.int32),
        bottom=bottom.astype(np.int32),
        right=right.astype(np.int32),
        score=np.full(size, np.nan),
        weight=np.full(size, np.nan),
    )


def _runs(ids: NDArray[np.integer]) -> tuple[NDArray[Any], ...]:
    """Find row, first column, length and id of each run of equal ids within a row.

    There are far fewer of them than cells, which makes tabulating regions cheap.
    """
    is_start = np.ones(ids.shape, np.bool_)
    np.not_equal(ids[:, 1:], ids[:, :-1], out=is_start[:, 1:])
    start = np.flatnonzero(is_start)
    length = np.diff(start, append=ids.size)
    row = start // ids.shape[1]
    return row, start - row * ids.shape[1], length, ids.reshape(-1)[start]
