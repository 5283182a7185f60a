"""Choose the images, regions or pixels of a subset."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from curate import errors, reporting
from curate.selection import cuts, pixels
from curate.selection.choice import Choice, count_kept
from curate.selection.levels import keep_levels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from curate.selection.settings import ExportSettings
    from curate.selection.source import SubsetSource

    Sources = Sequence[SubsetSource]
    Chooser = Callable[[Sources, cuts.Cut, reporting.Reporter], list[Choice]]

T = TypeVar("T", bound="np.generic")

_ONE_CLASS: Final = ("label_tiles", "components")
"""Kinds of regions that show one class each."""


def choose_images(sources: Sources, cut: cuts.Cut, _: reporting.Reporter) -> list[Choice]:
    """Keep whole images."""
    scores, px = _join(s.image_scores for s in sources), _join(s.valid_px for s in sources)
    return _divide(sources, cuts.select(scores, cut, px), "image_scores", _keep_images)


def choose_images_per_class(sources: Sources, cut: cuts.Cut, _: reporting.Reporter) -> list[Choice]:
    """Keep the best images of each class.

    Of each class, the images that show it are ranked by their score of that class (the column
    ``class_score``), and the best of them are kept. So an image is kept if it is among the best
    for at least one class that it shows.
    """
    class_score = _join(s.scores.class_score for s in sources)
    class_px = _join(s.scores.class_px for s in sources) if cut.policy == "pixels" else None
    is_ok = _join(s.is_ok for s in sources)
    is_selected = np.zeros(len(class_score), np.bool_)
    for index in range(class_score.shape[1]):
        scores = np.where(is_ok, class_score[:, index], np.nan)
        is_selected |= cuts.select(scores, cut, None if class_px is None else class_px[:, index])
    return _divide(sources, is_selected, "image_scores", _keep_images)


def choose_regions(sources: Sources, cut: cuts.Cut, _: reporting.Reporter) -> list[Choice]:
    """Keep regions, whatever image they are in."""
    scores = _join(s.region_scores for s in sources)
    px = _join(s.scores.region_column("valid_px") for s in sources)
    return _divide(sources, cuts.select(scores, cut, px), "region_scores", _keep_regions)


def choose_regions_per_class(
    sources: Sources, cut: cuts.Cut, _: reporting.Reporter
) -> list[Choice]:
    """Keep the best regions of each class, whatever image they are in."""
    scores = _join(s.region_scores for s in sources)
    class_id, px = (
        _join(s.scores.region_column(name) for s in sources) for name in ("class_id", "valid_px")
    )
    is_kept = cuts.select_per_class(scores, class_id, cut, px)
    return _divide(sources, is_kept, "region_scores", _keep_regions)


def choose_pixels(sources: Sources, cut: cuts.Cut, reporter: reporting.Reporter) -> list[Choice]:
    """Keep pixels, whatever image they are in; reads all labels twice, one at a time."""
    return keep_levels(sources, partial(pixels.cut_pixels, cut=cut), pixels.one_group(), reporter)


def choose_pixels_per_class(
    sources: Sources, cut: cuts.Cut, reporter: reporting.Reporter
) -> list[Choice]:
    """Keep the best pixels of each class, whatever image they are in; reads all labels twice."""
    groups = pixels.group_per_class(len(sources[0].provenance.classes.names))
    return keep_levels(sources, partial(pixels.cut_pixels, cut=cut), groups, reporter)


CHOOSERS: Final[dict[str, Chooser]] = {
    "image": choose_images,
    "region": choose_regions,
    "pixel": choose_pixels,
}
"""How to choose, by the unit that is kept."""

CLASS_CHOOSERS: Final[dict[str, Chooser]] = {
    "image": choose_images_per_class,
    "region": choose_regions_per_class,
    "pixel": choose_pixels_per_class,
}
"""The same where the cut is made within each class."""


def make_choices(
    sources: Sources, settings: ExportSettings, reporter: reporting.Reporter
) -> list[Choice]:
    """Choose what to keep of each data set, and say so if there is less than was asked for.

    Several are cut as if they were one.

    Raises
    ------
    UsageError
        If nothing is kept.
    """
    choosers = CLASS_CHOOSERS if settings.per_class else CHOOSERS
    cut = settings.cut
    choices = choosers[settings.by](sources, cut, reporter)
    if not (num_units := sum(choice.of for choice in choices)):
        msg = f"no {settings.by} has a score to select by. Score with --levels including it."
        raise errors.UsageError(msg)
    if not any(choice.is_selected.any() for choice in choices):
        msg = (
            f"--threshold {cut.value} selects nothing: the best {settings.by} has a score of "
            f"{np.nanmax([choice.best for choice in choices]):.4f}. Lower it, or use --top."
        )
        raise errors.UsageError(msg)
    if not settings.per_class and cut.policy in {"count", "pixels"}:
        counts_pixels = settings.by == "pixel" or cut.policy == "pixels"
        num_px = sum(choice.pixels_total for choice in choices)
        available = num_px if counts_pixels else num_units
        if available < cut.value:
            reporter.warn(
                f"--{cut.policy} {cut.value}: only {available} have a score; all of them are kept."
            )
    return choices


def _join(arrays: Iterable[NDArray[T]]) -> NDArray[T]:
    """Put the rows of all data sets into one array."""
    return np.concatenate(list(arrays))


def _divide(
    sources: Sources,
    is_kept: NDArray[np.bool_],
    units: str,
    keep: Callable[[SubsetSource, NDArray[np.bool_]], Choice],
) -> list[Choice]:
    """Give each data set what was selected of it; `units` is the array with one value a unit."""
    ends = np.cumsum([len(getattr(source, units)) for source in sources])
    parts = np.split(is_kept, ends[:-1])
    return [keep(source, part) for source, part in zip(sources, parts, strict=True)]


def _keep_images(source: SubsetSource, is_selected: NDArray[np.bool_]) -> Choice:
    """Keep whole images that were selected."""
    scores = source.image_scores
    return Choice(
        is_selected=is_selected,
        kept_px=np.where(is_selected, source.valid_px, 0),
        class_px=source.scores.class_px[is_selected].sum(axis=0),
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
            raise errors.StoreError(msg)
        is_kept_by_number = np.zeros(count, np.bool_)
        is_kept_by_number[number[rows][is_kept[rows]]] = True
        return source.to_pixels(is_kept_by_number[cells], row).astype(np.bool_)

    num_classes = len(source.provenance.classes.names)
    class_id = source.scores.region_column("class_id")[is_kept]
    choice = Choice(
        is_selected=kept_px > 0,
        kept_px=kept_px,
        class_px=np.bincount(class_id, px[is_kept], num_classes).astype(np.int64),
        selected=int(is_kept.sum()),
        of=int(np.count_nonzero(~np.isnan(source.region_scores))),
        pixels_total=int(source.valid_px.sum()),
        best=_best(source.region_scores),
        reason="no_region_selected",
        mask_of=mask_of,
    )
    if source.scores.provenance.get("regions", _ONE_CLASS[0]) in _ONE_CLASS:
        return choice
    return replace(choice, class_px=count_kept(source, choice))


def _best(scores: NDArray[np.float64]) -> float:
    """Return the highest score, NaN if there is none."""
    return float(np.nanmax(scores)) if not np.isnan(scores).all() else float("nan")
