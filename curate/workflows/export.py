"""Turn scores into a training subset."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from curate.data import write_masked_label
from curate.downstream import (
    FORMATS,
    Placement,
    SubsetItem,
    is_subset,
    write_manifest,
    write_record,
)
from curate.errors import UsageError
from curate.reporting import LogReporter, Reporter
from curate.selection import make_cut
from curate.store import ScoreFile, check_writable, remove_stale, replacing_folder
from curate.workflows.subset_choice import CHOOSERS, Choice
from curate.workflows.subset_manifest import manifest, provenance_record
from curate.workflows.subset_settings import (
    ExportSettings,
    check_choice,
    check_levels,
    check_settings,
)
from curate.workflows.subset_source import SubsetSource


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
    images_selected, images_of : int
        Images of which something is kept, and all images of the score file.
    pixels_kept, pixels_total : int
        Valid pixels of the original images.
    bytes : int
        Size of the original files of the selected images: what ``media="copy"`` takes.
    dry_run : bool
        Whether nothing was written.
    """

    out: Path
    by: str
    selected: int
    of: int
    images_selected: int
    images_of: int
    pixels_kept: int
    pixels_total: int
    bytes: int
    dry_run: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return asdict(self) | {"out": str(self.out)}


def export_subset(
    scores: Path | str,
    *,
    out: Path | str,
    by: str = "image",
    top: str | float | None = None,
    count: int | None = None,
    threshold: float | None = None,
    rank_by: str = "score",
    media: str = "symlink",
    format: str = "original",
    dataset: Path | str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    reporter: Reporter | None = None,
) -> ExportResult:
    """Write the best images, regions or pixels of a scored data set as a data set of its own.

    Give exactly one of `top`, `count` and `threshold`.

    Parameters
    ----------
    scores : Path
        Score file; ``region`` and ``pixel`` need one with maps.
    out : Path
        New folder: it is there complete, or not at all. Beside the subset it holds
        ``manifest.csv``, one row an image of the data set, and ``subset.json``.
    by : str
        ``image`` keeps whole images; with ``region`` and ``pixel`` the pixels that are not
        selected are ignored in rewritten labels, and images with nothing left are left out.
    top : str or float
        Share of what has a score, ``30%`` or ``0.3``.
    count : int
        Number of images, regions or pixels.
    threshold : float
        Smallest score to keep, in [0, 1].
    rank_by : str
        Column that ``by="image"`` ranks: ``score``, ``image_score``, ``region_score`` or
        ``pixel_score``.
    media : str
        ``symlink``, ``hardlink``, ``copy`` or ``none``: how original files get there.
    format : str
        ``original`` keeps names and layout; ``folder`` is images/ and labels/ with class
        indices; ``list`` is two lists of paths.
    dataset : Path, optional
        Where the data set is now, if it was moved.
    overwrite : bool
        Replace an earlier subset; any other folder is never replaced.
    dry_run : bool
        Only say what would be selected.

    Raises
    ------
    UsageError
        If the arguments contradict each other or select nothing, or `out` exists.
    DataError
        If files of the data set are missing or changed; nothing is written then.
    StoreError
        If the score file is unfit, or the disk does not let us write.
    """
    reporter = reporter or LogReporter()
    cut = make_cut(top=top, count=count, threshold=threshold)
    settings = ExportSettings(by=by, cut=cut, rank_by=rank_by, media=media, format=format)
    check_settings(settings)
    out = Path(os.path.realpath(out))
    with ScoreFile(Path(scores)) as file:
        source = SubsetSource(file, Path(os.path.realpath(dataset or file.dataset_root)))
        if not dry_run:
            _check_out(out, source, overwrite=overwrite)
        check_levels(source, settings)
        choice = CHOOSERS[by](source, cut, rank_by, reporter)
        check_choice(choice, settings, reporter)
        size = source.check_files(np.flatnonzero(choice.is_selected).tolist())
        if source.is_changed():
            reporter.warn(
                f"{source.root} is not as it was when it was scored (files were removed or "
                "resized); the scores are taken as they are."
            )
        result = ExportResult(
            out=out,
            by=by,
            selected=choice.selected,
            of=choice.of,
            images_selected=int(choice.is_selected.sum()),
            images_of=len(source.images),
            pixels_kept=int(choice.kept_px.sum()),
            pixels_total=choice.pixels_total,
            bytes=size,
            dry_run=dry_run,
        )
        if not dry_run:
            _write(source, choice, settings, result, reporter, overwrite=overwrite)
    return result


def _write(
    source: SubsetSource,
    choice: Choice,
    settings: ExportSettings,
    result: ExportResult,
    reporter: Reporter,
    *,
    overwrite: bool,
) -> None:
    """Write the subset aside, then put it in place."""
    rows = np.flatnonzero(choice.is_selected).tolist()
    with replacing_folder(result.out, overwrite=overwrite) as folder:
        placement = Placement(
            folder=folder,
            final=result.out,
            media=settings.media,
            write_masked_label=lambda label, target, keep: write_masked_label(
                label, target, keep, id_map=source.id_map
            ),
            read_label_map=source.read_label_map,
        )
        subset = FORMATS[settings.format](placement)
        reporter.start("export", len(rows))
        for done, row in enumerate(rows, start=1):
            subset.add(_item(source, choice, row))
            reporter.advance(done)
        subset.finish()
        write_manifest(folder, manifest(source, choice, settings.rank_by))
        write_record(folder, provenance_record(source, settings, result.to_json()))
    reporter.finish()


def _item(source: SubsetSource, choice: Choice, row: int) -> SubsetItem:
    """Collect what a format needs to know of one image."""
    return SubsetItem(
        id=source.id_of(row),
        image=source.image_file(row),
        label=source.label_file(row),
        image_path=str(source.images["image_path"].iloc[row]),
        label_path=str(source.images["label_path"].iloc[row]),
        keep=None if choice.mask_of is None else choice.mask_of(row),
    )


def _check_out(out: Path, source: SubsetSource, *, overwrite: bool) -> None:
    """Refuse to write where something else is."""
    for what, path in (("the data set", source.root), ("the score file", source.scores.path)):
        if path.is_relative_to(out):
            msg = f"--out {out} contains {what} ({path}): name another folder."
            raise UsageError(msg)
    check_writable(out.parent)
    remove_stale(out)  # an earlier subset that a killed process had set aside comes back
    if not out.exists():
        return
    if not out.is_dir() or (any(out.iterdir()) and not is_subset(out)):
        msg = f"--out {out} is there and is no subset of curate: it is not replaced. Name another."
        raise UsageError(msg)
    if not overwrite and any(out.iterdir()):
        msg = f"--out {out} exists already: replace it with --overwrite, or name another one."
        raise UsageError(msg)
