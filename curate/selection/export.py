"""Turn scores into a training subset."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate import errors, reporting
from curate.files.atomic import check_writable, remove_stale, replacing_folder
from curate.scores.provenance import refuse_other_runs
from curate.scores.score_file import ScoreFile
from curate.selection import choose, control, formats, manifest, placement
from curate.selection.settings import ExportSettings, check_source
from curate.selection.source import PATHS, SubsetSource, check_files, check_paths

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What `export_subset` did, or would do.

    Attributes
    ----------
    out : Path
    by : str
        The unit that was selected: ``image``, ``region`` or ``pixel``.
    selected, of : int
        Units that are kept, and units that have a score; for ``pixel`` these are images.
    rank_by : str
        What ranked them.
    images_selected, images_of : int
        Images of which something is kept, and all images of the score file.
    pixels_kept, pixels_total : int
        Valid pixels of the original images.
    bytes : int or None
        Size of the original files of the selected images: what ``media="copy"`` takes. None with
        ``media="none"``, which does not look at them.
    dry_run : bool
        Whether nothing was written.
    """

    out: Path
    by: str
    selected: int
    of: int
    rank_by: str
    images_selected: int
    images_of: int
    pixels_kept: int
    pixels_total: int
    bytes: int | None
    dry_run: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return asdict(self) | {"out": str(self.out)}


def export_subset(
    scores: Path | str,
    *,
    out: Path | str,
    reporter: reporting.Reporter | None = None,
    **options: Any,  # noqa: ANN401
) -> ExportResult:
    """Write the best images, regions or pixels of a scored data set as a data set of its own.

    Parameters
    ----------
    scores : Path
        Score file; ``region`` and ``pixel`` need one with maps.
    out : Path
        New folder: it is there complete, or not at all. Beside the subset it holds
        ``manifest.csv``, one row an image of the data set, and ``subset.json``.
    **options
        Fields of `curate.selection.settings.ExportSettings`: exactly one of ``top="30%"``,
        ``count``, ``threshold`` and ``pixels``, and whatever else differs from the defaults.

    Raises
    ------
    UsageError
        If the options contradict each other or select nothing, or `out` exists.
    DataError
        If files of the data set are missing or changed; nothing is written then.
    StoreError
        If the score file is unfit, or the disk does not let us write.
    """
    return export_jointly([Path(scores)], [Path(out)], reporter=reporter, **options)[0]


def export_jointly(
    scores: Sequence[Path],
    outs: Sequence[Path],
    *,
    reporter: reporting.Reporter | None = None,
    **options: Any,  # noqa: ANN401
) -> list[ExportResult]:
    """Write the best of several scored data sets, cut as if they were one.

    Parameters
    ----------
    scores : sequence of Path
        Score files of one run.
    outs : sequence of Path
        A folder for each; where nothing is kept of a data set, it is not made.
    **options
        As for `export_subset`.

    Raises
    ------
    UsageError, DataError, StoreError
        As `export_subset`; also where the files are not of one run.
    """
    settings = ExportSettings(**options)
    reporter = reporter or reporting.LogReporter()
    folders = [Path(os.path.realpath(out)) for out in outs]
    with ExitStack() as stack:
        files = [stack.enter_context(ScoreFile(Path(path))) for path in scores]
        refuse_other_runs([file.provenance for file in files], scores, "Cut jointly")
        sources = [
            SubsetSource(
                file,
                Path(os.path.realpath(settings.dataset or file.dataset_root)),
                settings.rank_by,
            )
            for file in files
        ]
        for source, folder in zip(sources, folders, strict=True):
            if not settings.dry_run:
                _check_out(folder, source, overwrite=settings.overwrite)
            check_source(source, settings)
        choices = _choose(sources, settings, reporter)
        found = list(zip(sources, choices, folders, strict=True))
        sizes = [_measure(source, choice, settings, reporter) for source, choice, _ in found]
        results = [
            _describe(*each, settings, size) for each, size in zip(found, sizes, strict=True)
        ]
        for (source, choice, _), result in zip(found, results, strict=True):
            if not settings.dry_run and choice.is_selected.any():
                _write(source, choice, settings, result, reporter)
    return results


def _describe(
    source: SubsetSource,
    choice: choose.Choice,
    out: Path,
    settings: ExportSettings,
    size: int | None,
) -> ExportResult:
    """Say what is, or would be, exported of one data set."""
    return ExportResult(
        out=out,
        by=settings.by,
        selected=choice.selected,
        of=choice.of,
        rank_by=settings.rank_by,
        images_selected=int(choice.is_selected.sum()),
        images_of=source.num_images,
        pixels_kept=int(choice.kept_px.sum()),
        pixels_total=choice.pixels_total,
        bytes=size,
        dry_run=settings.dry_run,
    )


def _choose(
    sources: Sequence[SubsetSource], settings: ExportSettings, reporter: reporting.Reporter
) -> list[choose.Choice]:
    """Choose what to keep."""
    for source in sources:
        check_paths(source)
        if settings.reads_all_labels:
            check_files(source, source.is_ok, settings.files_needed)
    choices = choose.make_choices(sources, settings, reporter)
    if settings.control is None:
        return choices
    return control.match_at_random(sources, choices, settings, reporter)


def _measure(
    source: SubsetSource,
    choice: choose.Choice,
    settings: ExportSettings,
    reporter: reporting.Reporter,
) -> int | None:
    """Make sure that the files of an export are there; return the bytes of what it places."""
    if not settings.files_needed:
        return None
    size, is_changed = check_files(source, choice.is_selected, settings.files_needed)
    if is_changed:
        reporter.warn(
            f"{source.root} is not as it was when it was scored (files were removed or "
            "resized); the scores are taken as they are."
        )
    return size if settings.media != "none" else None


def _write(
    source: SubsetSource,
    choice: choose.Choice,
    settings: ExportSettings,
    result: ExportResult,
    reporter: reporting.Reporter,
) -> None:
    """Write the subset aside, then put it in place."""
    written: list[Path] = []
    replaced = replacing_folder(result.out, overwrite=settings.overwrite, written=written)
    with replaced as folder:
        place = placement.Placement(source, folder, result.out, settings.media, written)
        _write_items(choice, formats.FORMATS[settings.format](place), reporter)
        manifest.write_manifest(folder, manifest.tabulate_choice(source, choice))
        record = {
            "scores": str(source.scores.path),
            "dataset_root": str(source.root),
            "settings": settings.to_json(),
            "result": result.to_json(),
            "provenance": source.scores.provenance,
        }
        manifest.write_record(folder, record)
        written += [folder / manifest.MANIFEST_NAME, folder / manifest.RECORD_NAME]


def _write_items(
    choice: choose.Choice, subset: placement.Format, reporter: reporting.Reporter
) -> None:
    """Write the files of the selected images, or where they are."""
    source, media = subset.placement.source, subset.placement.media
    if subset.places_only and media == "none" and choice.mask_of is None:
        return  # nothing to write: a million images need not be gone through
    rows = choice.is_selected.nonzero()[0].tolist()
    texts = source.list_texts(choice.is_selected, ("id", *PATHS))
    reporter.start("export", len(rows))
    for done, (row, names) in enumerate(zip(rows, texts, strict=True), start=1):
        image_id, image_path, label_path = names
        keep = None if choice.mask_of is None else choice.mask_of(row)
        subset.add(placement.SubsetItem(image_id, image_path, label_path, keep))
        reporter.advance(done)
    subset.finish()
    reporter.finish()


def _check_out(out: Path, source: SubsetSource, *, overwrite: bool) -> None:
    """Refuse to write where something else is."""
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
