"""One image between reading and writing: resized for the network, counted and cut into cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from curate.data import DataSource, fit_to_size, read_pair
from curate.errors import DataError
from curate.records import GRID_STRIDE, OK, Pair, ScoredImage
from curate.regions import REGION_KINDS, count_cell_classes, describe_regions

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CellPlan:
    """How every image of a data set is cut.

    Attributes
    ----------
    size : (int, int)
        Height and width that the network sees.
    stride : int
        Pixels of the original image per cell.
    regions : str
        Key of `curate.regions.REGION_KINDS`.
    region_px : int
        Side of a region in pixels of the original image.
    """

    size: tuple[int, int]
    stride: int
    regions: str
    region_px: int


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image that is ready for the network, and what its scores will be pooled over.

    Attributes
    ----------
    image, label_map : (3, H', W') uint8, (H', W') uint8
        At the network's size.
    cell_counts : (h, w, C) int64
        Pixels of each class in each cell of the original image.
    region_ids : (h, w) int64
    height, width : int
        Of the original image.
    """

    pair: Pair
    image: Tensor
    label_map: Tensor
    cell_counts: NDArray[np.int64]
    region_ids: NDArray[np.int64]
    height: int
    width: int


def prepare(source: DataSource, pair: Pair, plan: CellPlan) -> PreparedImage | ScoredImage:
    """Read one image; a problem comes back as the row that the score file will hold."""
    num_classes = len(source.classes)
    try:
        loaded = read_pair(source, pair)
    except DataError as error:
        return failed_image(pair, num_classes, code=error.code, message=str(error))
    height, width = loaded.label_map.shape
    labels = loaded.label_map.numpy()
    counts = count_cell_classes(labels, num_classes=num_classes, stride=plan.stride)
    if not counts.any():
        message = f"{pair.label_path}: every pixel is ignored; no score can be given."
        return failed_image(
            pair, num_classes, code="all_ignored", message=message, size=(height, width)
        )
    image, label_map = fit_to_size(loaded.image, loaded.label_map, plan.size)
    region_ids = cut_regions(
        loaded.image, labels, kind=plan.regions, stride=plan.stride, region_px=plan.region_px
    )
    return PreparedImage(pair, image, label_map, counts, region_ids, height, width)


def cut_regions(
    image: Tensor, label_map: NDArray[np.uint8], *, kind: str, stride: int, region_px: float
) -> NDArray[np.int64]:
    """Cut an image into regions of whole cells.

    Parameters
    ----------
    image, label_map : (3, H, W) uint8, (H, W) uint8
    kind : str
        Key of `curate.regions.REGION_KINDS`.
    stride : int
        Pixels a cell.
    region_px : float
        Side of a region in pixels.

    Returns
    -------
    region_ids : (h, w) int64
        0 .. R-1, every number in use.
    """
    cell_image = F.avg_pool2d(image.float(), stride, ceil_mode=True, count_include_pad=False)
    cut = REGION_KINDS[kind](
        cell_image.round().byte().permute(1, 2, 0).numpy(),
        centre_labels(label_map, stride),
        region_px / stride,
    )
    _, region_ids = np.unique(cut, return_inverse=True)
    return np.asarray(region_ids.reshape(cut.shape), np.int64)


def centre_labels(label_map: NDArray[np.uint8], stride: int) -> NDArray[np.uint8]:
    """Label at the centre of each cell, (H, W) to (h, w)."""
    height, width = label_map.shape
    rows = np.minimum(np.arange(0, height, stride) + stride // 2, height - 1)
    columns = np.minimum(np.arange(0, width, stride) + stride // 2, width - 1)
    return label_map[np.ix_(rows, columns)]


def to_cells(
    maps: Tensor, *, size: tuple[int, int], height: int, width: int, stride: int
) -> Tensor:
    """Read score maps of the network's grid at the centre of each cell of the original image.

    Parameters
    ----------
    maps : (L, gh, gw) float32
        On a grid of 4 pixels a cell over the resized image.
    size : (int, int)
        Height and width of the resized image.
    height, width, stride : int
        Of the original image; pixels a cell.

    Returns
    -------
    cells : (L, h, w) float32
        Bilinear between the grid's centres, constant beyond the outermost ones.
    """
    y = _centres(height, stride) / height * size[0] / (GRID_STRIDE * maps.shape[1])
    x = _centres(width, stride) / width * size[1] / (GRID_STRIDE * maps.shape[2])
    yx = torch.meshgrid(y, x, indexing="ij")
    positions = torch.stack([yx[1], yx[0]], dim=-1)[None] * 2 - 1
    return F.grid_sample(
        maps[None], positions, mode="bilinear", padding_mode="border", align_corners=False
    )[0]


def score_cells(prepared: PreparedImage, cells: NDArray[np.float32], plan: CellPlan) -> ScoredImage:
    """Pool the scores of an image's cells over image, classes and regions.

    Parameters
    ----------
    cells : (4, h, w) float32
        Scores in [0, 1]: combined, image, region and pixel level.
    """
    counts = prepared.cell_counts
    valid = counts.sum(axis=2)
    combined = cells[0]
    means = [float((level * valid).sum() / valid.sum()) for level in cells.astype(np.float64)]
    class_px = counts.sum(axis=(0, 1))
    class_sums = np.tensordot(combined.astype(np.float64), counts, axes=([0, 1], [0, 1]))
    class_score = np.divide(
        class_sums, class_px, out=np.full(len(class_px), np.nan), where=class_px > 0
    )
    num_regions = int(prepared.region_ids.max()) + 1
    is_small = num_regions <= np.iinfo(np.uint16).max + 1
    region_ids = prepared.region_ids
    return ScoredImage(
        pair=prepared.pair,
        height=prepared.height,
        width=prepared.width,
        status=OK,
        message="",
        valid_px=int(valid.sum()),
        score=means[0],
        image_score=means[1],
        region_score=means[2],
        pixel_score=means[3],
        class_px=class_px,
        class_score=class_score,
        pixel_scores=np.rint(combined * 255).astype(np.uint8),
        region_ids=region_ids.astype(np.uint16) if is_small else region_ids.astype(np.uint32),
        regions=describe_regions(
            region_ids,
            counts,
            combined,
            stride=plan.stride,
            height=prepared.height,
            width=prepared.width,
        ),
    )


def failed_image(
    pair: Pair, num_classes: int, *, code: str, message: str, size: tuple[int, int] = (0, 0)
) -> ScoredImage:
    """Make the row of an image that cannot be scored."""
    nan = float("nan")
    return ScoredImage(
        pair=pair,
        height=size[0],
        width=size[1],
        status=code,
        message=message,
        valid_px=0,
        score=nan,
        image_score=nan,
        region_score=nan,
        pixel_score=nan,
        class_px=np.zeros(num_classes, dtype=np.int64),
        class_score=np.full(num_classes, nan),
    )


def _centres(length: int, stride: int) -> Tensor:
    """Centre of each cell along one axis, in pixels; the last cell may be cut off."""
    start = torch.arange(0, length, stride, dtype=torch.float32)
    return (start + (start + stride).clamp(max=length)) / 2
