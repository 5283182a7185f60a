"""Regions of each class with the lowest and the highest scores, cut out of their images."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw

from curate import errors
from curate.showing import inks, scored_sets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

NUM_CROPS: Final = 6
"""Of each class and kind."""
MIN_PX: Final = 64
"""Smaller regions show nothing, and are taken only where a class has no others."""
CROP_PX: Final = 144
"""Height and width of a crop."""
_MARGIN: Final = 0.35
_CANDIDATES: Final = 400
_FRAME: Final = (20, 20, 20), (255, 255, 255)


Box = tuple[int, int, int, int]
Pictures = dict[tuple[int, Box], str]
"""Addresses of crops, by image and place."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A region to be shown.

    Attributes
    ----------
    row : int
        Of its image.
    box : (int, int, int, int)
        Top, left, bottom, right.
    picture : str
        Address of the crop; empty where the image cannot be read.
    """

    row: int
    score: float
    box: Box
    picture: str = ""


@dataclass(frozen=True, slots=True)
class ClassCrops:
    """What is shown of a class.

    Attributes
    ----------
    num_regions : int
        Regions of the class that have a score.
    lowest, highest : list of Crop
        At most one of each image.
    """

    name: str
    num_regions: int
    lowest: list[Crop]
    highest: list[Crop]


def choose_crops(sets: scored_sets.ScoredSets) -> list[ClassCrops]:
    """Choose regions of each class, none without classes or regions."""
    if "region" not in sets.about.levels:
        return []
    columns = {n: sets.region_column(n) for n in ("image", "class_id", "valid_px", "score")}
    has_score = ~np.isnan(columns["score"])  # no image without a score has regions
    chosen = []
    for index, name in enumerate(sets.classes):
        own = np.flatnonzero(has_score & (columns["class_id"] == index))
        large = own[columns["valid_px"][own] >= MIN_PX]
        shown = large if len(large) >= 2 * NUM_CROPS else own
        lowest = _first_of_each_image(shown, columns["score"], columns["image"])
        rest = np.setdiff1d(shown, lowest)
        highest = _first_of_each_image(rest, -columns["score"], columns["image"])
        kinds = [[_locate(sets, int(region)) for region in kind] for kind in (lowest, highest)]
        chosen.append(ClassCrops(name, len(own), *kinds))
    return chosen


def cut_out(sets: scored_sets.ScoredSets, chosen: list[ClassCrops]) -> Iterator[Pictures]:
    """Cut the regions out of their images, each of which is read once; yields each image's."""
    by_row: dict[int, set[Box]] = defaultdict(set)
    for crop in (crop for each in chosen for crop in (*each.lowest, *each.highest)):
        by_row[crop.row].add(crop.box)
    for row, boxes in by_row.items():
        try:
            pixels = sets.read_image(row)
        except errors.DataError:
            yield {}
            continue
        yield {(row, box): inks.jpeg(draw_crop(pixels, box)) for box in boxes}


def fill(chosen: list[ClassCrops], pictures: Pictures) -> list[ClassCrops]:
    """Give crops their pictures, as far as there are any."""

    def own(crops: list[Crop]) -> list[Crop]:
        return [replace(c, picture=pictures.get((c.row, c.box), "")) for c in crops]

    return [replace(each, lowest=own(each.lowest), highest=own(each.highest)) for each in chosen]


def draw_crop(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Cut a square around a region, with some of what is beside it, and frame the region."""
    top, left, bottom, right = box
    side = min(round(max(bottom - top, right - left, 16) * (1 + 2 * _MARGIN)), *pixels.shape[:2])
    first_row = _centre(top, bottom, side, pixels.shape[0])
    first_column = _centre(left, right, side, pixels.shape[1])
    cut = pixels[first_row : first_row + side, first_column : first_column + side]
    picture = Image.fromarray(cut).resize((CROP_PX, CROP_PX), Image.Resampling.BILINEAR)
    edges = np.array(
        [left - first_column, top - first_row, right - first_column, bottom - first_row]
    )
    frame = (edges * CROP_PX / side).clip(1, CROP_PX - 2)
    brush = ImageDraw.Draw(picture)
    for colour, width in zip(_FRAME, (4, 2), strict=True):
        grown = frame + np.array([-1, -1, 1, 1]) * (width // 2 - 1)
        brush.rectangle(grown.tolist(), outline=colour, width=width)
    return np.asarray(picture)


def _centre(first: int, last: int, side: int, full: int) -> int:
    """Return where a span of `side` inside 0 .. full begins, first .. last in its middle."""
    return min(max((first + last - side) // 2, 0), full - side)


def _first_of_each_image(
    regions: NDArray[np.int64], keys: NDArray[np.floating], image: NDArray[np.int64]
) -> list[int]:
    """Choose the regions of smallest key, at most one of each image."""
    if len(regions) > _CANDIDATES:
        regions = regions[np.argpartition(keys[regions], _CANDIDATES)[:_CANDIDATES]]
    ordered = regions[np.argsort(keys[regions], kind="stable")]
    _, firsts = np.unique(image[ordered], return_index=True)
    return list(map(int, ordered[np.sort(firsts)][:NUM_CROPS]))


def _locate(sets: scored_sets.ScoredSets, region: int) -> Crop:
    """Look a region up."""
    top, left, bottom, right = (
        int(sets.region_column(name)[region]) for name in ("top", "left", "bottom", "right")
    )
    row = int(sets.region_column("image")[region])
    return Crop(row, float(sets.region_column("score")[region]), (top, left, bottom, right))
