"""Choose the images, regions or pixels of a subset."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from curate import errors, reporting
from curate.selection import bounds, cuts, pixels, streaming
from curate.selection.choice import Choice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from curate.selection.settings import ExportSettings
    from curate.selection.source import SubsetSource

    Sources = Sequence[SubsetSource]
    Chooser = Callable[[Sources, ExportSettings, reporting.Reporter], list[Choice]]

T = TypeVar("T", bound="np.generic")


def choose_images(
    sources: Sources, settings: ExportSettings, _: reporting.Reporter
) -> list[Choice]:
    """Keep whole images."""
    limits = _find_bounds(sources, settings)
    if limits is None and _is_streamed(sources, settings):
        is_selected = streaming.mark_best_images(sources, settings.cut)
        return _keep(sources, is_selected, "image")
    keys, px = _join(s.image_keys for s in sources), _join(s.valid_px for s in sources)
    if limits is None:
        is_selected = cuts.select(keys, settings.cut, px)
        return _keep(sources, is_selected, "image")
    class_px = _join(s.scores.class_px for s in sources)
    found = bounds.select_units(keys, settings.cut, px, class_px, limits)
    choices = _keep(sources, found.is_selected, "image")
    return _explain_bounds(sources, choices, found)


def choose_images_per_class(
    sources: Sources, settings: ExportSettings, _: reporting.Reporter
) -> list[Choice]:
    """Keep the best images of each class.

    Of each class, the images that show it are ranked by their score of that class (the column
    ``class_score``), and the best of them are kept. So an image is kept if it is among the best
    for at least one class that it shows.
    """
    cut = settings.cut
    class_score = _join(s.scores.class_score for s in sources)
    class_px = _join(s.scores.class_px for s in sources) if cut.policy == "pixels" else None
    is_candidate = _join(s.is_candidate for s in sources)
    is_selected = np.zeros(len(class_score), np.bool_)
    for index in range(class_score.shape[1]):
        scores = np.where(is_candidate, class_score[:, index], np.nan)
        is_selected |= cuts.select(scores, cut, None if class_px is None else class_px[:, index])
    return _keep(sources, is_selected, "image")


def choose_regions(
    sources: Sources, settings: ExportSettings, reporter: reporting.Reporter
) -> list[Choice]:
    """Keep regions, whatever image they are in; with bounds, all labels are read."""
    limits = _find_bounds(sources, settings)
    if limits is None and _is_streamed(sources, settings):
        return _keep(sources, streaming.mark_best_regions(sources, settings.cut), "region")
    keys = _join(s.region_keys for s in sources)
    px = _join(s.scores.region_column("valid_px") for s in sources)
    if limits is None:
        return _keep(sources, cuts.select(keys, settings.cut, px), "region")
    class_px = _join(streaming.count_in_regions(source, reporter) for source in sources)
    is_kept = bounds.select_units(keys, settings.cut, px, class_px, limits).is_selected
    return _keep(sources, is_kept, "region")


def choose_regions_per_class(
    sources: Sources, settings: ExportSettings, _: reporting.Reporter
) -> list[Choice]:
    """Keep the best regions of each class, whatever image they are in.

    A region is one of the class that most of it shows.
    """
    keys = _join(s.region_keys for s in sources)
    class_id, px = (
        _join(s.scores.region_column(name) for s in sources) for name in ("class_id", "valid_px")
    )
    is_kept = cuts.select_per_class(keys, class_id, settings.cut, px)
    return _keep(sources, is_kept, "region")


def choose_pixels(
    sources: Sources, settings: ExportSettings, reporter: reporting.Reporter
) -> list[Choice]:
    """Keep pixels, whatever image they are in; reads all labels twice, one at a time."""
    limits = _find_bounds(sources, settings)
    if limits is None:
        find_cut = partial(pixels.cut_pixels, cut=settings.cut)
        return pixels.keep_levels(sources, find_cut, pixels.one_group(), reporter)

    def find_bounded_cut(histogram: NDArray[np.int64]) -> pixels.PixelCut:
        counts = bounds.bound_counts(histogram, settings.cut, limits)
        return pixels.cut_counts(histogram, counts)

    groups = pixels.group_per_class(len(sources[0].provenance.classes.names))
    return pixels.keep_levels(sources, find_bounded_cut, groups, reporter)


def choose_pixels_per_class(
    sources: Sources, settings: ExportSettings, reporter: reporting.Reporter
) -> list[Choice]:
    """Keep the best pixels of each class, whatever image they are in; reads all labels twice."""
    groups = pixels.group_per_class(len(sources[0].provenance.classes.names))
    return pixels.keep_levels(
        sources, partial(pixels.cut_pixels, cut=settings.cut), groups, reporter
    )


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
    together = [[source] for source in sources] if settings.per_set else [sources]
    choose = choosers[settings.by]
    choices = [choice for each in together for choice in choose(each, settings, reporter)]
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


def _is_streamed(sources: Sources, settings: ExportSettings) -> bool:
    """Tell whether one value decides what is kept, so that no unit need be in memory."""
    by_score = all(s.draw_seed is None and s.image_order is None for s in sources)
    return by_score and settings.cut.policy in streaming.POLICIES


def _find_bounds(sources: Sources, settings: ExportSettings) -> bounds.Bounds | None:
    """Turn shares of classes into pixels of all data sets that are cut as one."""
    if not settings.is_bounded:
        return None
    names = sources[0].provenance.classes.names
    class_px = [source.scores.tables.count_classes() for source in sources]
    return bounds.find_bounds(settings, names, np.sum(class_px, axis=0))


def _explain_bounds(
    sources: Sources, choices: Sequence[Choice], found: bounds.Bounded
) -> list[Choice]:
    """Note which images were taken, or passed over, because of a class."""
    names, explained, start = sources[0].provenance.classes.names, [], 0
    for source, choice in zip(sources, choices, strict=True):
        rows = slice(start, start := start + source.num_images)
        notes = {
            row: ("floor", f"for the floor of {names[index]}")
            for row, index in enumerate(found.floor_of[rows].tolist())
            if index != bounds.NO_CLASS
        }
        over = np.flatnonzero(found.is_over[rows]).tolist()
        notes |= dict.fromkeys(over, ("over_quota", "a class would exceed its quota"))
        explained.append(replace(choice, notes=notes))
    return explained


def _keep(sources: Sources, is_kept: NDArray[np.bool_], unit: str) -> list[Choice]:
    """Give each data set what was selected of all images, or of all regions."""
    keep = _keep_images if unit == "image" else streaming.keep_regions
    tables = [source.scores.tables for source in sources]
    ends = np.cumsum([sum(t.counts) if unit == "image" else t.num_regions for t in tables])
    return list(map(keep, sources, np.split(is_kept, ends[:-1])))


def _keep_images(source: SubsetSource, is_selected: NDArray[np.bool_]) -> Choice:
    """Keep whole images that were selected."""
    scores = source.image_scores
    return Choice(
        is_selected=is_selected,
        kept_px=np.where(is_selected, source.valid_px, 0),
        class_px=source.scores.tables.count_classes(is_selected),
        selected=int(is_selected.sum()),
        of=int(np.count_nonzero(~np.isnan(scores))),
        pixels_total=int(source.valid_px.sum()),
        best=float(np.nanmax(scores)) if not np.isnan(scores).all() else float("nan"),
        reason="below_cut",
    )
