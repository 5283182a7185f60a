"""Choose the images, regions or pixels of a subset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.errors import StoreError, UsageError
from curate.selection import cuts, pixels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from curate.reporting import Reporter
    from curate.selection.settings import ExportSettings
    from curate.selection.source import SubsetSource


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


def choose_images(source: SubsetSource, cut: cuts.Cut, _: Reporter) -> Choice:
    """Keep whole images."""
    return _keep_images(source, cuts.select(source.image_scores, cut, source.valid_px))


def choose_images_per_class(source: SubsetSource, cut: cuts.Cut, _: Reporter) -> Choice:
    """Keep the best images of each class.

    Of each class, the images that show it are ranked by their score of that class (the column
    ``class_score``), and the best of them are kept. So an image is kept if it is among the best
    for at least one class that it shows.
    """
    class_score = source.scores.class_score
    class_px = source.scores.class_px if cut.policy == "pixels" else None
    is_selected = np.zeros(len(class_score), np.bool_)
    for index in range(class_score.shape[1]):
        scores = np.where(source.is_ok, class_score[:, index], np.nan)
        is_selected |= cuts.select(scores, cut, None if class_px is None else class_px[:, index])
    return _keep_images(source, is_selected)


def choose_regions(source: SubsetSource, cut: cuts.Cut, _: Reporter) -> Choice:
    """Keep regions, whatever image they are in."""
    px = source.scores.region_column("valid_px")
    return _keep_regions(source, cuts.select(source.region_scores, cut, px))


def choose_regions_per_class(source: SubsetSource, cut: cuts.Cut, _: Reporter) -> Choice:
    """Keep the best regions of each class, whatever image they are in."""
    class_id, px = map(source.scores.region_column, ("class_id", "valid_px"))
    return _keep_regions(source, cuts.select_per_class(source.region_scores, class_id, cut, px))


def choose_pixels(source: SubsetSource, cut: cuts.Cut, reporter: Reporter) -> Choice:
    """Keep pixels, whatever image they are in; reads all labels twice, one at a time."""
    return _keep_pixels(source, cut, pixels.one_group(), reporter)


def choose_pixels_per_class(source: SubsetSource, cut: cuts.Cut, reporter: Reporter) -> Choice:
    """Keep the best pixels of each class, whatever image they are in; reads all labels twice."""
    num_classes = len(source.provenance.classes.names)
    return _keep_pixels(source, cut, pixels.group_per_class(num_classes), reporter)


CHOOSERS: Final[dict[str, Callable[[SubsetSource, cuts.Cut, Reporter], Choice]]] = {
    "image": choose_images,
    "region": choose_regions,
    "pixel": choose_pixels,
}
"""How to choose, by the unit that is kept."""

CLASS_CHOOSERS: Final[dict[str, Callable[[SubsetSource, cuts.Cut, Reporter], Choice]]] = {
    "image": choose_images_per_class,
    "region": choose_regions_per_class,
    "pixel": choose_pixels_per_class,
}
"""The same where the cut is made within each class."""


def make_choice(source: SubsetSource, settings: ExportSettings, reporter: Reporter) -> Choice:
    """Choose what to keep, and say so if there is less than was asked for.

    Raises
    ------
    UsageError
        If nothing is kept.
    """
    choosers = CLASS_CHOOSERS if settings.per_class else CHOOSERS
    cut = settings.cut
    choice = choosers[settings.by](source, cut, reporter)
    if not choice.of:
        msg = f"no {settings.by} has a score to cuts.select by. Score with --levels including it."
        raise UsageError(msg)
    if not choice.is_selected.any():
        msg = (
            f"--threshold {cut.value} selects nothing: the best {settings.by} has a score of "
            f"{choice.best:.4f}. Lower it, or use --top."
        )
        raise UsageError(msg)
    if not settings.per_class and cut.policy in {"count", "pixels"}:
        counts_pixels = settings.by == "pixel" or cut.policy == "pixels"
        available = choice.pixels_total if counts_pixels else choice.of
        if available < cut.value:
            reporter.warn(
                f"--{cut.policy} {cut.value}: only {available} have a score; all of them are kept."
            )
    return choice


def _keep_images(source: SubsetSource, is_selected: NDArray[np.bool_]) -> Choice:
    """Keep whole images that were selected."""
    scores = source.image_scores
    return Choice(
        is_selected=is_selected,
        kept_px=np.where(is_selected, source.valid_px, 0),
        selected=int(is_selected.sum()),
        of=int(np.count_nonzero(~np.isnan(scores))),
        pixels_total=int(source.valid_px.sum()),
        best=_best(scores),
        reason="below_cut",
    )


def _keep_regions(source: SubsetSource, is_kept: NDArray[np.bool_]) -> Choice:
    """Keep regions that were selected."""
    image, number, px = map(source.scores.region_column, ("image", "region", "valid_px"))
    kept_px = np.zeros(source.num_images, np.int64)
    np.add.at(kept_px, image[is_kept], px[is_kept])
    starts = np.searchsorted(image, np.arange(source.num_images + 1))

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
        of=int(np.count_nonzero(~np.isnan(source.region_scores))),
        pixels_total=int(source.valid_px.sum()),
        best=_best(source.region_scores),
        reason="no_region_selected",
        mask_of=mask_of,
    )


def _keep_pixels(
    source: SubsetSource, cut: cuts.Cut, group_of: NDArray[np.int64], reporter: Reporter
) -> Choice:
    """Keep the best pixels of each group of classes."""
    rows = np.flatnonzero(~np.isnan(source.image_scores)).tolist()
    total = np.zeros((int(group_of.max()) + 1, pixels.NUM_LEVELS), np.int64)
    num_images = 0
    reporter.start("count pixels", len(rows))
    for done, row in enumerate(rows, start=1):
        histogram = pixels.count_levels(*source.read_pixels(row), group_of)
        num_images += bool(histogram.any())
        total += histogram
        reporter.advance(done)
    reporter.finish()
    kept = pixels.KeptPixels(pixels.cut_pixels(total, cut), group_of, source.num_images)
    reporter.start("choose pixels", len(rows))
    for done, row in enumerate(rows, start=1):
        kept.add(row, pixels.count_levels(*source.read_pixels(row), group_of))
        reporter.advance(done)
    reporter.finish()
    present = np.flatnonzero(total.any(axis=0))
    return Choice(
        is_selected=kept.counts > 0,
        kept_px=kept.counts,
        selected=int(np.count_nonzero(kept.counts)),
        of=num_images,
        pixels_total=int(total.sum()),
        best=float(present[-1]) / (pixels.NUM_LEVELS - 1) if len(present) else float("nan"),
        reason="no_pixel_selected",
        mask_of=lambda row: kept.mask(row, *source.read_pixels(row)),
    )


def _best(scores: NDArray[np.float64]) -> float:
    """Return the highest score, NaN if there is none."""
    return float(np.nanmax(scores)) if not np.isnan(scores).all() else float("nan")
