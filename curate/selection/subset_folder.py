"""The folder of a subset: refused where something else is, then written whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate import errors
from curate.files.atomic import check_writable, remove_stale, replacing_folder
from curate.selection import manifest, placement, writing

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
        place = placement.Placement(folder, out, settings.media, written)
        writing.write_images(sources, choices, settings, place, reporter)
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
