"""The folder of a subset: refused where something else is, then written whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate import errors
from curate.files.atomic import check_writable, remove_stale, replacing_folder
from curate.selection import formats, manifest, placement
from curate.selection.source import PATHS

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    with replaced as folder:
        place = placement.Placement(
            sources[0], folder, out, settings.media, written, sources[0].prefix
        )
        _write_items(sources, choices, formats.FORMATS[settings.format](place), reporter)
        manifest.write_manifest(folder, manifest.tabulate_choices(sources, choices))
        record: dict[str, Any] = {"settings": settings.to_json(), "result": result}
        origins = [_describe(source) for source in sources]
        record |= {"sets": origins} if len(sources) > 1 else origins[0]
        manifest.write_record(folder, record)
        written += [folder / manifest.MANIFEST_NAME, folder / manifest.RECORD_NAME]


def _describe(source: SubsetSource) -> dict[str, Any]:
    """Say where the images of a data set come from."""
    return {
        "name": source.name,
        "scores": str(source.scores.path),
        "dataset_root": str(source.root),
        "provenance": source.scores.provenance,
    }


def _write_items(
    sources: Sequence[SubsetSource],
    choices: Sequence[Choice],
    subset: placement.Format,
    reporter: reporting.Reporter,
) -> None:
    """Write the files of the selected images, or where they are; one set after the other."""
    is_masked = any(choice.mask_of is not None for choice in choices)
    if subset.places_only and subset.placement.media == "none" and not is_masked:
        return  # nothing to write: a million images need not be gone through
    reporter.start("export", sum(int(choice.is_selected.sum()) for choice in choices))
    done = 0
    for source, choice in zip(sources, choices, strict=True):
        subset.placement = subset.placement.turn_to(source, source.prefix)
        rows = choice.is_selected.nonzero()[0].tolist()
        texts = source.list_texts(choice.is_selected, ("id", *PATHS))
        for row, (image_id, image_path, label_path) in zip(rows, texts, strict=True):
            keep = None if choice.mask_of is None else choice.mask_of(row)
            image_id = f"{source.prefix}{image_id}"
            subset.add(placement.SubsetItem(image_id, image_path, label_path, keep))
            done += 1
            reporter.advance(done)
    subset.finish()
    reporter.finish()
