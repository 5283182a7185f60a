"""Choose the images, regions or pixels of a subset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.errors import StoreError
from curate.records import IGNORE_INDEX
from curate.selection import NUM_LEVELS, Cut, keep_mask, select, select_pixels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from curate.reporting import Reporter
    from curate.workflows.subset_source import SubsetSource


@dataclass(frozen=True, slots=True)
class Choice:
    """What is kept of a data set of N images.

    Attributes
    ----------
    is_selected : (N,) bool
        Images of which something is kept.
    kept_px : (N,) int64
        Valid pixels that are kept of each.
    selected, of : int
        Units that are kept, and units that have a score.
    pixels_total : int
        Valid pixels of all scored images.
    best : float
        Highest score of a unit; NaN without any.
    reason : str
        Why a scored image is not selected.
    mask_of : callable or None
        Mark the kept pixels of the image in a row, (H, W) bool; None: whole images are kept.
    """

    is_selected: NDArray[np.bool_]
    kept_px: NDArray[np.int64]
    selected: int
    of: int
    pixels_total: int
    best: float
    reason: str
    mask_of: Callable[[int], NDArray[np.bool_]] | None = None


def choose_images(source: SubsetSource, cut: Cut, rank_by: str, _: Reporter) -> Choice:
    """Keep whole images."""
    scores = source.column(rank_by)
    is_selected = select(scores, cut)
    valid_px = np.where(source.is_ok, source.images["valid_px"].to_numpy(np.int64), 0)
    return Choice(
        is_selected=is_selected,
        kept_px=np.where(is_selected, valid_px, 0),
        selected=int(is_selected.sum()),
        of=int(np.count_nonzero(~np.isnan(scores))),
        pixels_total=int(valid_px.sum()),
        best=_best(scores),
        reason="below_cut",
    )


def choose_regions(source: SubsetSource, cut: Cut, rank_by: str, _: Reporter) -> Choice:
    """Keep regions, whatever image they are in."""
    regions = source.scores.regions
    image = regions["image"].to_numpy(np.int64)
    number = regions["region"].to_numpy(np.int64)
    scores = np.where(source.is_ok[image], regions[rank_by].to_numpy(np.float64), np.nan)
    is_kept = select(scores, cut)
    kept_px = np.zeros(len(source.images), np.int64)
    np.add.at(kept_px, image[is_kept], regions["valid_px"].to_numpy(np.int64)[is_kept])
    starts = np.searchsorted(image, np.arange(len(source.images) + 1))

    def mask_of(row: int) -> NDArray[np.bool_]:
        rows = slice(starts[row], starts[row + 1])
        cells = source.scores.region_ids(source.id_of(row))
        count = rows.stop - rows.start
        if cells.size and max(cells.max(), number[rows].max(initial=0)) >= count:
            msg = (
                f"{source.scores.path}: the map of image '{source.id_of(row)}' names regions that "
                "its table does not have. Score the data set again."
            )
            raise StoreError(msg)
        is_kept_by_number = np.zeros(count, np.bool_)
        is_kept_by_number[number[rows][is_kept[rows]]] = True
        return source.to_pixels(is_kept_by_number[cells], row).astype(np.bool_)

    return Choice(
        is_selected=kept_px > 0,
        kept_px=kept_px,
        selected=int(is_kept.sum()),
        of=int(np.count_nonzero(~np.isnan(scores))),
        pixels_total=int(source.images["valid_px"].to_numpy(np.int64)[source.is_ok].sum()),
        best=_best(scores),
        reason="no_region_selected",
        mask_of=mask_of,
    )


def choose_pixels(source: SubsetSource, cut: Cut, _: str, reporter: Reporter) -> Choice:
    """Keep pixels, whatever image they are in; reads all labels, one at a time."""
    rows = np.flatnonzero(source.is_ok).tolist()
    source.check_files(rows)
    histograms = np.zeros((len(source.images), NUM_LEVELS), np.uint32)
    reporter.start("count pixels", len(rows))
    for done, row in enumerate(rows, start=1):
        levels, is_valid = _levels(source, row)
        histograms[row] = np.bincount(levels[is_valid], minlength=NUM_LEVELS)
        reporter.advance(done)
    reporter.finish()
    pixels = select_pixels(histograms, cut)
    present = np.flatnonzero(histograms.any(axis=0))

    def mask_of(row: int) -> NDArray[np.bool_]:
        levels, is_valid = _levels(source, row)
        return keep_mask(levels, is_valid, pixels.level, int(pixels.at_level[row]))

    return Choice(
        is_selected=pixels.kept > 0,
        kept_px=pixels.kept,
        selected=int(np.count_nonzero(pixels.kept)),
        of=int(np.count_nonzero(histograms.any(axis=1))),
        pixels_total=int(histograms.sum(dtype=np.int64)),
        best=float(present[-1]) / (NUM_LEVELS - 1) if len(present) else float("nan"),
        reason="no_pixel_selected",
        mask_of=mask_of,
    )


CHOOSERS: Final[dict[str, Callable[[SubsetSource, Cut, str, Reporter], Choice]]] = {
    "image": choose_images,
    "region": choose_regions,
    "pixel": choose_pixels,
}
"""How to choose, by the unit that is kept."""


def _levels(source: SubsetSource, row: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return score times 255 of each pixel of an image, and which pixels have a class."""
    cells = source.scores.pixel_scores(source.id_of(row))
    is_valid = source.read_label_of(row) != IGNORE_INDEX
    return source.to_pixels(cells, row).astype(np.uint8), is_valid


def _best(scores: NDArray[np.float64]) -> float:
    """Return the highest score, NaN if there is none."""
    return float(np.nanmax(scores)) if not np.isnan(scores).all() else float("nan")
