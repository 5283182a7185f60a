"""Turn scores into a training subset."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from curate import errors, remote, reporting
from curate.files import transfer
from curate.selection import choice as chosen
from curate.selection import choose, control, manifest, opening, subset_folder
from curate.selection.settings import ExportSettings, check_source, keep_shards
from curate.selection.source import SubsetSource, check_files, check_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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
    scores : tuple of str
        The score files that were cut.
    classes : list of ClassShare
        Pixels of each class before and after.
    control : str or None
        Folder of the control that was written beside it.
    sets : dict of str to dict
        ``selected, of, pixels_kept, pixels_total`` of each data set, by its name.
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
    scores: tuple[str, ...] = ()
    classes: list[chosen.ClassShare] = field(default_factory=list)
    sets: dict[str, dict[str, int]] = field(default_factory=dict)
    control: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        classes = [each._asdict() for each in self.classes]
        return asdict(self) | {"out": str(self.out), "classes": classes}


def export_subset(
    scores: Path | str | Sequence[Path | str],
    *,
    out: Path | str,
    control_out: Path | str | None = None,
    project: Path | None = None,
    reporter: reporting.Reporter | None = None,
    **options: Any,  # noqa: ANN401
) -> ExportResult:
    """Write the best images, regions or pixels of scored data sets as a data set of its own.

    Parameters
    ----------
    scores : Path, or several
        Score file; ``region`` and ``pixel`` need one with maps. Several, of one run, are cut as if
        they were one; in the subset each data set has a folder, and ids begin with its name.
    out : Path
        New folder: it is there complete, or not at all. Beside the subset it holds
        ``manifest.csv``, one row an image of the data sets, and ``subset.json``.
    control_out : Path, optional
        With ``control``: another new folder, for the control, `out` being what it stands beside.
        Without it, the control is what is written to `out`.
    project : Path, optional
        Folder of curate.toml, where what was seen of images is kept; by default the current one.
    **options
        Fields of `curate.selection.settings.ExportSettings`: exactly one of ``top="30%"``,
        ``count``, ``threshold`` and ``pixels``, and whatever else differs from the defaults.

    Raises
    ------
    UsageError
        If the options contradict each other or select nothing, `out` exists, or two data sets
        have one name.
    DataError
        If files of the data set are missing or changed; nothing is written then.
    StoreError
        If a score file is unfit, they are not of one run, or the disk does not let us write.
    """
    settings, reporter = ExportSettings(**options), reporter or reporting.default_reporter()
    if remote.is_url(out):
        return _export_to_url(
            scores, remote.as_path(out), settings, control_out, project, reporter, options
        )
    paths = [Path(scores)] if isinstance(scores, str | Path) else [Path(each) for each in scores]
    folder = Path(os.path.realpath(out))
    beside = settings.control and control_out and Path(os.path.realpath(control_out))
    with ExitStack() as stack:
        sources = _open_sources(stack, paths, settings, is_one_folder=True)
        settings = keep_shards(sources[0], settings, options, reporter)
        plain = replace(settings, control=None) if beside else settings
        places = {folder: plain} | ({beside: settings} if beside else {})
        finished = _find_finished(places, sources) if settings.resume else []
        for place in places:
            if place not in finished and not settings.dry_run:
                subset_folder.check_out(place, sources, overwrite=settings.overwrite)
        _tell_sources(sources, reporter)
        sources, choices = _choose(sources, settings, project or Path.cwd(), reporter)
        drawn = choices
        if settings.control:
            drawn = control.match_at_random(sources, choices, settings, reporter)
        subsets = [_Subset(folder, sources, drawn, settings)]
        if beside:
            subsets = [_Subset(folder, sources, choices, plain), subsets[0]._replace(out=beside)]
        results = _write_all(subsets, reporter, finished)
        chosen.warn_of_losses(results[0].classes, settings, reporter)
    return replace(results[0], control=str(beside) if beside else None)


class _Subset(NamedTuple):
    """What is to be written into a folder."""

    out: Path
    sources: Sequence[SubsetSource]
    choices: Sequence[chosen.Choice]
    settings: ExportSettings

    @property
    def is_written(self) -> bool:
        """Whether there is anything to write."""
        is_any = any(choice.is_selected.any() for choice in self.choices)
        return is_any and not self.settings.dry_run


def _find_finished(
    places: Mapping[Path, ExportSettings], sources: Sequence[SubsetSource]
) -> list[Path]:
    """List the folders that hold what is asked for, as an earlier call left it when it ended."""
    return [
        place for place, own in places.items() if subset_folder.is_finished(place, sources, own)
    ]


def _write_all(
    subsets: Sequence[_Subset], reporter: reporting.Reporter, finished: Sequence[Path] = ()
) -> list[ExportResult]:
    """Make sure that all files are there, then write the subsets that are not finished."""
    results = []
    for each in subsets:
        pairs = zip(each.sources, each.choices, strict=True)
        sizes = [_measure(*pair, each.settings, reporter) for pair in pairs]
        results.append(_describe(each, sizes, reporter))
    for each, result in zip(subsets, results, strict=True):
        if each.is_written and each.out not in finished:
            subset_folder.write_subset(*each, result.to_json(), reporter)
    return results


def export_jointly(
    scores: Sequence[Path],
    outs: Sequence[Path],
    *,
    reporter: reporting.Reporter | None = None,
    **options: Any,  # noqa: ANN401
) -> list[ExportResult]:
    """Write the best of several scored data sets, cut as if they were one, into a folder each.

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
        As `export_subset`.
    """
    settings = ExportSettings(**options)
    reporter = reporter or reporting.default_reporter()
    folders = [Path(os.path.realpath(out)) for out in outs]
    with ExitStack() as stack:
        sources = _open_sources(stack, scores, settings, is_one_folder=False)
        for source, folder in zip(sources, folders, strict=True):
            if not settings.dry_run:
                subset_folder.check_out(folder, [source], overwrite=settings.overwrite)
        sources, choices = _choose(sources, settings, Path.cwd(), reporter)
        if settings.control:
            choices = control.match_at_random(sources, choices, settings, reporter)
        subsets = [
            _Subset(folder, [source], [choice], settings)
            for source, choice, folder in zip(sources, choices, folders, strict=True)
        ]
        return _write_all(subsets, reporter)


def _open_sources(
    stack: ExitStack, scores: Sequence[Path], settings: ExportSettings, *, is_one_folder: bool
) -> list[SubsetSource]:
    """Open score files of one run, and see whether they have what is needed."""
    sources = opening.open_sources(
        stack, scores, dataset=settings.dataset, rank_by=settings.rank_by
    )
    if is_one_folder and len(sources) > 1:
        sources = [replace(source, prefix=f"{source.name}/") for source in sources]
        _refuse_same_names(sources)
    for source in sources:
        check_source(source, settings)
        _refuse_links(source.root, settings)
    return sources


def _refuse_links(path: Path, settings: ExportSettings) -> None:
    """Refuse to link from or to a store, which has no links."""
    if remote.is_url(path) and settings.media.endswith("link"):
        msg = (
            f"--media {settings.media}: files at {path} cannot be linked. Use --media copy, or "
            "--media none for a manifest with URLs."
        )
        raise errors.UsageError(msg)


def _export_to_url(
    scores: Path | str | Sequence[Path | str],
    out: Path,
    settings: ExportSettings,
    control_out: Path | str | None,
    project: Path | None,
    reporter: reporting.Reporter,
    options: dict[str, Any],
) -> ExportResult:
    """Write a subset here, and send it when it is whole; what a store holds is copied there."""
    _refuse_links(out, settings)
    if control_out:
        msg = f"--control writes beside {out} only on a disk: export the control by itself."
        raise errors.UsageError(msg)
    with transfer.staged(
        out, last=manifest.RECORD_NAME, overwrite=settings.overwrite or settings.dry_run
    ) as folder:
        made = export_subset(scores, out=folder, project=project, reporter=reporter, **options)
    return replace(made, out=out)


def _refuse_same_names(sources: Sequence[SubsetSource]) -> None:
    """Refuse data sets whose images could not be told apart."""
    names = [source.name for source in sources]
    if len(set(names)) < len(names):
        msg = (
            f"the score files are of data sets called {', '.join(names)}: names must differ. Join "
            'parts of one set with curate merge; give different sets a name = ".." in curate.toml '
            "and score them again."
        )
        raise errors.UsageError(msg)


def _tell_sources(sources: Sequence[SubsetSource], reporter: reporting.Reporter) -> None:
    """Say what is cut, and by which run it was scored."""
    for source in sources:
        reporter.note(f"Scores: {source.describe()}")


def _describe(
    subset: _Subset, sizes: Sequence[int | None], reporter: reporting.Reporter
) -> ExportResult:
    """Say what is, or would be, exported."""
    out, sources, choices, settings = subset
    pairs = list(zip(sources, choices, strict=True))
    sets = {
        source.name: {
            "selected": choice.selected,
            "of": choice.of,
            "pixels_kept": int(choice.kept_px.sum()),
            "pixels_total": choice.pixels_total,
        }
        for source, choice in pairs
    }
    sums = {name: sum(each[name] for each in sets.values()) for name in sets[sources[0].name]}
    known = [size for size in sizes if size is not None]
    return ExportResult(
        out=out,
        by=settings.by,
        selected=sums["selected"],
        of=sums["of"],
        pixels_kept=sums["pixels_kept"],
        pixels_total=sums["pixels_total"],
        rank_by=sources[0].rank_by,
        images_selected=sum(int(choice.is_selected.sum()) for choice in choices),
        images_of=sum(source.num_images for source in sources),
        bytes=sum(known) if known else None,
        dry_run=settings.dry_run,
        scores=tuple(str(source.scores.path) for source in sources),
        classes=chosen.compare_classes(sources, choices, reporter),
        sets=sets,
    )


def _choose(
    sources: Sequence[SubsetSource],
    settings: ExportSettings,
    project: Path,
    reporter: reporting.Reporter,
) -> tuple[list[SubsetSource], list[chosen.Choice]]:
    """Choose what to keep; return the data sets, too, as they were chosen from."""
    for source in sources:
        check_paths(source)
        if settings.reads_all_labels:
            check_files(source, source.is_ok, settings.files_needed)
    ordered = list(sources)
    if settings.drop_near_duplicates or settings.draw or settings.diverse:
        from curate.selection import candidates  # here: it looks at images, which takes more

        ordered = candidates.prepare_candidates(sources, settings, project, reporter)
    return ordered, choose.make_choices(ordered, settings, reporter)


def _measure(
    source: SubsetSource,
    choice: chosen.Choice,
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
