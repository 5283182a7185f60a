"""Write the images that were chosen, of one data set or of several, in an export format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from curate.selection import dialect, formats
from curate.selection.source import PATHS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curate import reporting
    from curate.selection.choice import Choice
    from curate.selection.placement import Placement
    from curate.selection.settings import ExportSettings
    from curate.selection.source import SubsetSource


def write_images(
    sources: Sequence[SubsetSource],
    choices: Sequence[Choice],
    settings: ExportSettings,
    place: Placement,
    reporter: reporting.Reporter,
) -> None:
    """Write the files of the selected images, or where they are; one set after the other."""
    kind = formats.FORMATS[settings.format]
    is_placed = kind.places_only and not (settings.rewrites_labels or settings.weight_maps)
    if is_placed and place.media == "none":
        return  # nothing to write: a million images need not be gone through
    plan = make_plan(sources, choices, settings)
    reporter.start("export", sum(int(choice.is_selected.sum()) for choice in choices))
    with kind(place, plan) as subset:
        for done, item in enumerate(list_items(sources, choices), start=1):
            subset.add(item)
            reporter.advance(done)
        subset.finish()
        if plan.weight_of_255 is not None:
            text = json.dumps({"weight_of_255": plan.weight_of_255}, indent=2)
            place.write(dialect.WEIGHTS_RECORD, f"{text}\n".encode())
    reporter.finish()


def make_plan(
    sources: Sequence[SubsetSource], choices: Sequence[Choice], settings: ExportSettings
) -> dialect.Plan:
    """Find out what holds for all images of a subset."""
    classes = sources[0].provenance.classes.names  # the same in all files of a run
    label_ids = dialect.make_label_ids(settings.written_ids, classes)
    kinds = set()
    if not formats.FORMATS[settings.format].places_only:
        kinds = {
            (item.suffix, item.is_plain) for item in list_items(sources, choices, with_masks=False)
        }
    return dialect.Plan(
        label_ids,
        ".jpg" if kinds == {(".jpg", True)} else ".png",
        find_largest_weight(sources) if settings.weight_maps else None,
    )


def list_items(
    sources: Sequence[SubsetSource], choices: Sequence[Choice], *, with_masks: bool = True
) -> Iterator[dialect.SubsetItem]:
    """Yield the selected images, one after the other."""
    for source, choice in zip(sources, choices, strict=True):
        rows = choice.is_selected.nonzero()[0].tolist()
        texts = source.list_texts(choice.is_selected, ("id", *PATHS))
        mask_of = choice.mask_of if with_masks else None
        for row, (image_id, *paths) in zip(rows, texts, strict=True):
            keep = None if mask_of is None else mask_of(row)
            yield dialect.SubsetItem(source, row, image_id, paths[0], paths[1], keep)


def find_largest_weight(sources: Sequence[SubsetSource]) -> float:
    """Return the largest weight that a map can hold, if all data sets together have mean 1."""
    px = [float(source.valid_px.sum()) for source in sources]
    means = [source.weight_mean for source in sources]
    mean = np.average(means, weights=px) if sum(px) else 1.0
    return float(sources[0].provenance.largest_weight / mean)
