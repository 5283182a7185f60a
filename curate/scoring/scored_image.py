"""One image between reading and writing: resized for the network, counted and cut into cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from curate.data import augmentation, dataset, pairs
from curate.errors import DataError
from curate.records import GRID_STRIDE, OK, SCORE_NAMES, WEIGHT_NAMES, Pair
from curate.scores import columns, packing, schema
from curate.scoring.cells import CellClasses, CellWeights, centre_labels, count_cell_classes
from curate.scoring.regions import REGION_KINDS, outline_regions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from curate.config import ScoreConfig

NUM_STEPS: Final = 127
"""Steps that stored pixel scores are rounded to, between 0 and 255.

The rounding error, at most 1/254, is far below what scores of two equally good networks differ
by, and a map takes a quarter less space than at 255 steps.
"""


@dataclass(frozen=True, slots=True)
class CellPlan:
    """How every image of a data set is cut.

    Attributes
    ----------
    size : (int, int)
        Height and width that the network sees.
    settings : ScoreConfig
        Cells, regions, and how maps are packed.
    """

    size: tuple[int, int]
    settings: ScoreConfig


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image that is ready for the network, and what its scores will be pooled over.

    Attributes
    ----------
    pair : Pair
    key : str
        As in `Batch`.
    image, label_map : (3, H', W') uint8, (H', W') uint8
        At the network's size.
    cells : CellClasses
        Of the original image.
    labels : (h, w) uint8
        Class at the centre of each of them, 255 = ignore.
    region_of : (M,) uint32
        Region of each entry of `cells`.
    region_ids : (h, w) uint16 or uint32, packed
    regions : RegionTable
        Scores are NaN.
    height, width : int
        Of the original image.
    """

    pair: Pair
    key: str
    image: torch.Tensor
    label_map: torch.Tensor
    cells: CellClasses
    labels: NDArray[np.uint8]
    region_of: NDArray[np.uint32]
    region_ids: packing.PackedMap
    regions: columns.RegionTable
    height: int
    width: int
    orientation: int = 1


def prepare(
    source: dataset.DataSource, pair: Pair, plan: CellPlan
) -> PreparedImage | columns.ScoredImage:
    """Read one image; a problem comes back as the row that the score file will hold."""
    num_classes, settings = len(source.classes), plan.settings
    try:
        loaded, orientation = pairs.read_upright(source, pair)
    except DataError as error:
        return failed_image(pair, num_classes, code=error.code, message=str(error))
    labels = loaded.label_map.numpy()
    height, width = labels.shape
    cells = count_cell_classes(labels, num_classes=num_classes, stride=settings.stride)
    if not len(cells.cell):
        message = (
            f"{pair.label_path}: every pixel is ignored by id map '{source.id_map.name}'; no score "
            "can be given."
        )
        return failed_image(
            pair,
            num_classes,
            code="all_ignored",
            message=message,
            size=(height, width),
            orientation=orientation,
        )
    image, label_map = augmentation.fit_to_size(loaded.image, loaded.label_map, plan.size)
    centres = centre_labels(labels, settings.stride)
    region_ids = REGION_KINDS[settings.regions](
        centres,
        settings.region_px / settings.stride,
        lambda: mean_colours(loaded.image, settings.stride),
    )
    dtype = schema.map_dtype(schema.REGION_IDS, region_ids.shape)
    return PreparedImage(
        pair=pair,
        key=source.key_of(pair),
        image=image,
        label_map=label_map,
        cells=cells,
        labels=centres,
        region_of=region_ids.reshape(-1)[cells.cell].astype(np.uint32),
        region_ids=packing.pack(region_ids.astype(dtype), settings.compression),
        regions=outline_regions(
            region_ids, cells, stride=settings.stride, height=height, width=width
        ),
        height=height,
        width=width,
        orientation=orientation,
    )


def mean_colours(image: torch.Tensor, stride: int) -> NDArray[np.uint8]:
    """Average each cell of an image, (3, H, W) uint8 to (h, w, 3) uint8."""
    means = torch.nn.functional.avg_pool2d(
        image.float(), stride, ceil_mode=True, count_include_pad=False
    )
    colours: NDArray[np.uint8] = means.round().byte().permute(1, 2, 0).numpy()
    return colours


def to_cells(
    maps: torch.Tensor, *, size: tuple[int, int], height: int, width: int, stride: int
) -> torch.Tensor:
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
    positions = _positions(height, width, stride, size, tuple(maps.shape[1:]))
    return torch.nn.functional.grid_sample(
        maps[None], positions, mode="bilinear", padding_mode="border", align_corners=False
    )[0]


def score_cells(
    prepared: PreparedImage,
    maps: NDArray[np.float32],
    plan: CellPlan,
    weights: CellWeights,
    streams: Sequence[str] = (),
) -> columns.ScoredImage:
    """Pool the scores of an image's cells over image, classes and regions.

    Parameters
    ----------
    maps : (4 + S, h, w) or (8 + S, h, w) float32
        Scores in [0, 1]: combined, image, region and pixel level, then those of each stream, NaN
        where it is inactive, then the four that weights follow from, if it is not the first ones.
    weights : CellWeights
        How weights follow from stored scores.
    streams : sequence of str
        Names of the S streams.
    """
    cells, settings, num_scores = prepared.cells, plan.settings, len(SCORE_NAMES)
    end = num_scores + len(streams)
    stored = quantise(maps[:num_scores])
    worth = quantise(maps[end:]) if len(maps) > end else stored
    weighed = weights.weigh(worth, prepared.labels)
    sums = cells.add_up(np.concatenate([weighed, maps[:end]]))
    means, own = cells.mean(sums).tolist(), slice(2 * num_scores, None)
    weight_sums, score_sums, class_px = sums[0], sums[num_scores], cells.class_px()
    by_region = partial(
        cells.mean_by, prepared.region_of.astype(np.intp), px=prepared.regions.valid_px
    )
    return columns.ScoredImage(
        pair=prepared.pair,
        height=prepared.height,
        width=prepared.width,
        orientation=prepared.orientation,
        status=OK,
        message="",
        valid_px=cells.valid_px,
        means=dict(zip((*WEIGHT_NAMES, *SCORE_NAMES), means, strict=False)),
        class_px=class_px,
        class_score=cells.mean_by(cells.class_id, score_sums, class_px),
        pixel_scores=packing.pack(stored[0], settings.compression),
        pixel_weights=packing.pack(weights.store(worth[0], prepared.labels), settings.compression),
        region_ids=prepared.region_ids,
        regions=replace(
            prepared.regions,
            score=by_region(score_sums),
            weight=by_region(weight_sums),
            streams=dict(zip(streams, map(by_region, sums[own]), strict=True)),
        ),
        streams=dict(zip(streams, means[own], strict=True)),
        stream_scores={
            name: packing.pack(quantise(scores), settings.compression)
            for name, scores in zip(streams, maps[num_scores:end], strict=True)
            if settings.stream_maps and not np.isnan(scores).any()
        },
    )


def quantise(scores: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round scores in [0, 1] to `NUM_STEPS` steps, and scale them to 0 .. 255."""
    return np.rint(np.rint(scores * NUM_STEPS) * (255 / NUM_STEPS)).astype(np.uint8)


def failed_image(
    pair: Pair,
    num_classes: int,
    *,
    code: str,
    message: str,
    size: tuple[int, int] = (0, 0),
    orientation: int = 1,
) -> columns.ScoredImage:
    """Make the row of an image that cannot be scored."""
    return columns.ScoredImage(
        pair=pair,
        height=size[0],
        width=size[1],
        orientation=orientation,
        status=code,
        message=message,
        valid_px=0,
        means={},
        class_px=np.zeros(num_classes, dtype=np.int64),
        class_score=np.full(num_classes, np.nan),
    )


@lru_cache(maxsize=16)
def _positions(
    height: int, width: int, stride: int, size: tuple[int, int], grid: tuple[int, ...]
) -> torch.Tensor:
    """Find where each cell lies on the network's grid, (1, h, w, 2): across and down, -1 to 1."""
    y = _centres(height, stride) / height * size[0] / (GRID_STRIDE * grid[0])
    x = _centres(width, stride) / width * size[1] / (GRID_STRIDE * grid[1])
    yx = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([yx[1], yx[0]], dim=-1)[None] * 2 - 1


def _centres(length: int, stride: int) -> torch.Tensor:
    """Centre of each cell along one axis, in pixels; the last cell may be cut off."""
    start = torch.arange(0, length, stride, dtype=torch.float32)
    return (start + (start + stride).clamp(max=length)) / 2
