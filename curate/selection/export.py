"""Turn scores into a training subset."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.errors import UsageError
from curate.files.atomic import check_writable, remove_stale, replacing_folder
from curate.reporting import LogReporter, Reporter
from curate.scores.arrow import to_arrow
from curate.scores.score_file import ScoreFile
from curate.selection.choose import CHOOSERS, CLASS_CHOOSERS, Choice
from curate.selection.cuts import make_cut
from curate.selection.formats import FORMATS
from curate.selection.manifest import MANIFEST_NAME, write_manifest
from curate.selection.manifest_rows import manifest, provenance_record
from curate.selection.placement import Placement, SubsetItem
from curate.selection.record import RECORD_NAME, is_subset, write_record
from curate.selection.settings import (
    ExportSettings,
    check_choice,
    check_levels,
    check_ranking,
    check_settings,
)
from curate.selection.source import SubsetSource
from curate.selection.subset_files import check_files, check_paths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.selection.formats.base import Format


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
    by: str = "image",
    top: str | float | None = None,
    count: int | None = None,
    threshold: float | None = None,
    pixels: int | None = None,
    per_class: bool = False,
    rank_by: str = "score",
    media: str = "symlink",
    format: str = "original",
    dataset: Path | str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    reporter: Reporter | None = None,
) -> ExportResult:
    """Write the best images, regions or pixels of a scored data set as a data set of its own.

    Give exactly one of `top`, `count`, `threshold` and `pixels`.

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
    pixels : int
        Number of valid pixels to reach: the best are kept until they have so many together, the
        last one whole.
    per_class : bool
        Whether share, count or pixels are taken within each class. With ``region`` the best
        regions of each class are kept, with ``pixel`` the best pixels of each class. With
        ``image`` the images that show a class are ranked by their score of it, for each class;
        an image is kept if it is among the best for at least one class that it shows.
    rank_by : str
        What ranks: ``score``, or the name of one of the score file's streams (`ScoreFile.streams`);
        with ``pixel`` that needs their maps. With ``image`` also ``image_score``,
        ``region_score`` or ``pixel_score``; there `per_class` needs ``score``.
    media : str
        ``symlink``, ``hardlink``, ``copy`` or ``none``: how original files get there. With
        ``none`` they are not even looked at, so that they need not be there; labels are read
        only where they are rewritten.
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
    settings = ExportSettings(
        by=by,
        cut=make_cut(top=top, count=count, threshold=threshold, pixels=pixels),
        per_class=per_class,
        rank_by=rank_by,
        media=media,
        format=format,
    )
    check_settings(settings)
    out = Path(os.path.realpath(out))
    with ScoreFile(Path(scores)) as file:
        root = Path(os.path.realpath(dataset or file.dataset_root))
        source = SubsetSource(file, root, rank_by)
        if not dry_run:
            _check_out(out, source, overwrite=overwrite)
        check_levels(source, settings)
        check_ranking(source, settings)
        choice, size = _choose(source, settings, reporter)
        result = ExportResult(
            out=out,
            by=by,
            selected=choice.selected,
            of=choice.of,
            rank_by=rank_by,
            images_selected=int(choice.is_selected.sum()),
            images_of=source.num_images,
            pixels_kept=int(choice.kept_px.sum()),
            pixels_total=choice.pixels_total,
            bytes=size,
            dry_run=dry_run,
        )
        if not dry_run:
            _write(source, choice, settings, result, reporter, overwrite=overwrite)
    return result


def _choose(
    source: SubsetSource, settings: ExportSettings, reporter: Reporter
) -> tuple[Choice, int | None]:
    """Choose what to keep, and make sure that the files it needs are there."""
    check_paths(source)
    if settings.by == "pixel":  # all labels are about to be read
        check_files(source, np.flatnonzero(source.is_ok), settings.files_needed)
    choosers = CLASS_CHOOSERS if settings.per_class else CHOOSERS
    choice = choosers[settings.by](source, settings.cut, reporter)
    check_choice(choice, settings, reporter)
    if not settings.files_needed:
        return choice, None
    files = check_files(source, np.flatnonzero(choice.is_selected), settings.files_needed)
    if files.is_changed:
        reporter.warn(
            f"{source.root} is not as it was when it was scored (files were removed or "
            "resized); the scores are taken as they are."
        )
    return choice, files.bytes if settings.media != "none" else None


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
    written: list[Path] = []
    with replacing_folder(result.out, overwrite=overwrite, written=written) as folder:
        placement = Placement(
            folder=folder,
            final=result.out,
            media=settings.media,
            write_masked_label=partial(_write_masked_label, source),
            read_label_map=source.read_label_map,
            written=written,
        )
        _write_items(source, choice, settings, FORMATS[settings.format](placement), reporter)
        write_manifest(folder, manifest(source, choice))
        write_record(folder, provenance_record(source, settings, result.to_json()))
        written += [folder / MANIFEST_NAME, folder / RECORD_NAME]


def _write_items(
    source: SubsetSource,
    choice: Choice,
    settings: ExportSettings,
    subset: Format,
    reporter: Reporter,
) -> None:
    """Write the files of the selected images, or where they are."""
    if subset.places_only and settings.media == "none" and choice.mask_of is None:
        return  # nothing to write: a million images need not be gone through
    rows = np.flatnonzero(choice.is_selected)
    texts = [
        source.texts(name).take(to_arrow(rows)).to_pylist()
        for name in ("id", "image_path", "label_path")
    ]
    reporter.start("export", len(rows))
    for done, (row, image_id, image_path, label_path) in enumerate(
        zip(rows.tolist(), *texts, strict=True), start=1
    ):
        item = SubsetItem(
            id=image_id,
            image=f"{source.root}/{image_path}",  # `check_paths` made sure that it stays inside
            label=f"{source.root}/{label_path}",
            image_path=image_path,
            label_path=label_path,
            keep=None if choice.mask_of is None else choice.mask_of(row),
        )
        subset.add(item)
        reporter.advance(done)
    subset.finish()
    reporter.finish()


def _write_masked_label(
    source: SubsetSource, label: Path, target: Path, keep: NDArray[np.bool_]
) -> None:
    """Copy a label file in its own format with the other pixels ignored."""
    from curate.data.masking import write_masked_label  # brings torch along

    write_masked_label(label, target, keep, id_map=source.id_map)


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
