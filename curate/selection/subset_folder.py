"""The folder of a subset: refused where something else is, then written whole or not at all."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from curate import errors
from curate.files.atomic import check_writable, remove_stale, replacing_folder
from curate.selection import dialect, formats, manifest, placement
from curate.selection.kept_copies import keep_copies
from curate.selection.source import PATHS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from curate import reporting
    from curate.selection.choice import Choice
    from curate.selection.settings import ExportSettings
    from curate.selection.source import SubsetSource


def check_out(out: Path, sources: Sequence[SubsetSource], *, overwrite: bool) -> None:
    """Refuse to write where something else is.

    Raises
    ------
    UsageError
        If `out` holds a data set or its scores, exists unasked, or is no subset as curate wrote it.
    StoreError
        If nothing can be written there.
    """
    for source in sources:
        for what, path in (("the data set", source.root), ("the score file", source.scores.path)):
            if path.is_relative_to(out):
                msg = f"--out {out} contains {what} ({path}): name another folder."
                raise errors.UsageError(msg)
    check_writable(out.parent)
    remove_stale(out)  # an earlier subset that a killed process had set aside comes back
    if not out.exists():
        return
    is_empty = out.is_dir() and not any(out.iterdir())
    problem = "" if is_empty else manifest.find_foreign(out)
    if problem:
        msg = (
            f"--out {out} {problem}. It is not replaced: move what is yours, or all of it, away, "
            "or name another folder."
        )
        raise errors.UsageError(msg)
    if not overwrite and not is_empty:
        msg = f"--out {out} exists already: replace it with --overwrite, or name another one."
        raise errors.UsageError(msg)


def write_subset(
    out: Path,
    sources: Sequence[SubsetSource],
    choices: Sequence[Choice],
    settings: ExportSettings,
    result: dict[str, Any],
    reporter: reporting.Reporter,
) -> None:
    """Write a subset of one data set, or of several, aside, then put it in place.

    Parameters
    ----------
    result : dict
        What its record says of it, in plain values.
    """
    written: list[Path] = []
    replaced = replacing_folder(out, overwrite=settings.overwrite, written=written)
    with replaced as folder, ExitStack() as stack:
        place = placement.Placement(folder, out, settings.media, written)
        if settings.media == "copy":
            copies = keep_copies(out, resume=settings.resume, reporter=reporter)
            place = replace(place, copies=stack.enter_context(copies))
        write_images(sources, choices, settings, place, reporter)
        with_urls = settings.media == "none"
        table = manifest.tabulate_choices(sources, choices, with_urls=with_urls)
        manifest.write_manifest(folder, table)
        manifest.write_record(folder, {"result": result, **_describe_all(sources, settings)})
        written += [folder / manifest.MANIFEST_NAME, folder / manifest.RECORD_NAME]


def is_finished(out: Path, sources: Sequence[SubsetSource], settings: ExportSettings) -> bool:
    """Tell whether the very subset that is asked for is there: its writer was killed after that."""
    wanted = json.loads(json.dumps(_describe_all(sources, settings)))
    return manifest.holds(out, wanted) and not manifest.find_foreign(out)


def _describe_all(sources: Sequence[SubsetSource], settings: ExportSettings) -> dict[str, Any]:
    """Say what a subset depends on."""
    origins = [_describe(source) for source in sources]
    sets = {"sets": origins} if len(sources) > 1 else origins[0]
    return {"settings": settings.to_json(), **sets}


def _describe(source: SubsetSource) -> dict[str, Any]:
    """Say where the images of a data set come from."""
    return {
        "name": source.name,
        "scores": str(source.scores.path),
        "dataset_root": str(source.root),
        "provenance": source.scores.provenance,
    }


def write_images(
    sources: Sequence[SubsetSource],
    choices: Sequence[Choice],
    settings: ExportSettings,
    place: placement.Placement,
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
            place.write_json(dialect.WEIGHTS_RECORD, {"weight_of_255": plan.weight_of_255})
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
