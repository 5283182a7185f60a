"""Score a whole data set with a finished run, at image, region and pixel level."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from curate.errors import DataError, UsageError
from curate.records import IGNORE_INDEX, LEVELS, OK
from curate.reporting import LogReporter, Reporter
from curate.store import ScoreWriter, check_ids, remember
from curate.workflows.cells import CellPlan
from curate.workflows.opening import open_known_dataset, open_scoring_run
from curate.workflows.run_folder import describe_source, package_versions
from curate.workflows.scoring import Scorer, chunks
from curate.workflows.training import choose_device

if TYPE_CHECKING:
    from curate.config import Config
    from curate.workflows.loading import LoadedRun

PIECE_IMAGES: Final = 128
"""Images that are written together; at most these are lost when the process is killed."""


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """What `score` did.

    Attributes
    ----------
    out : Path
    scored, skipped, failed : int
        Images scored now, scored by an earlier call (with `resume`), and not scorable.
    regions : int
        Rows of the region table.
    seconds, images_per_second : float
        Wall time of this call, and images scored in it per second.
    statuses : dict of str to int
        Images by status, ``ok`` included.
    """

    out: Path
    scored: int
    skipped: int
    failed: int
    regions: int
    seconds: float
    images_per_second: float
    statuses: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return asdict(self) | {"out": str(self.out)}


def score(
    dataset: Path | str,
    out: Path | str,
    *,
    config: Config,
    run: Path | str | None = None,
    layout: str | None = None,
    labels: str | None = None,
    levels: tuple[str, ...] = LEVELS,
    stride: int | None = None,
    regions: str | None = None,
    workers: int | None = None,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> ScoreResult:
    """Score every image of a data set into a score file.

    Parameters
    ----------
    dataset : Path
        Folder in a known layout; read, never changed.
    out : Path
        ``weights.h5``, ``weights.parquet`` (tables only) or a folder (shards).
    config : Config
        Its ``[score]`` table, its record of runs, and the layout and labels of `dataset` where it
        lists it.
    run : Path, optional
        Run folder; the newest finished one by default.
    layout, labels : str, optional
        Override what the configuration says of `dataset`.
    levels : tuple of str
        Which of ``image``, ``region``, ``pixel`` to keep in the file.
    stride, regions : optional
        Override ``[score]``.
    workers : int, optional
        Threads that read and cut images; 4 by default.
    resume, overwrite : bool
        Go on with, or replace, an existing `out`.

    Raises
    ------
    UsageError, ConfigError, DataError, RunError, StoreError
    """
    reporter = reporter or LogReporter()
    started = time.monotonic()
    dataset, out = Path(dataset), Path(out)
    _check_levels(levels)
    loaded = open_scoring_run(run, config)
    source = open_known_dataset(dataset, config, loaded, layout=layout, labels=labels)
    check_ids(pair.id for pair in source.pairs)
    described = describe_source(source)
    source = replace(source, key=loaded.source_key(described["fingerprint"]) or source.key)
    plan = CellPlan(
        size=loaded.config.fit.size,
        stride=stride or config.score.stride,
        regions=regions or config.score.regions,
        region_px=config.score.region_px,
    )
    scorer = Scorer(
        loaded,
        plan,
        choose_device(device, loaded.config.fit.precision),
    )
    counts: dict[str, int] = {}
    with ScoreWriter(
        out,
        _provenance(loaded, described, plan, levels),
        num_classes=len(loaded.classes),
        stride=plan.stride,
        levels=levels,
        dataset_root=source.root,
        resume=resume,
        overwrite=overwrite,
    ) as writer:
        todo = [pair for pair in source.pairs if pair.id not in writer.done]
        skipped = len(source.pairs) - len(todo)
        reporter.start("score", len(source.pairs), skipped)
        done = skipped
        scored = scorer.run(source, todo, workers=workers or 4, batch_size=config.score.batch_size)
        for piece in chunks(scored, PIECE_IMAGES):
            writer.append(piece)
            done += len(piece)
            for image in piece:
                counts[image.status] = counts.get(image.status, 0) + 1
            reporter.advance(done)
        reporter.finish()
        num_scored = counts.get(OK, 0)
        if num_scored + skipped == 0:
            problems = ", ".join(f"{n} {status}" for status, n in counts.items())
            msg = (
                f"None of the {len(todo)} images of {source.root} could be scored ({problems}). "
                f"First problem: {scorer.first_problem}"
            )
            raise DataError(msg, code="nothing_scored")
        num_regions = writer.finish()
    remember(config.root, scores=out)
    _warn_of_failures(counts, scorer.first_problem, reporter)
    seconds = time.monotonic() - started
    return ScoreResult(
        out=out,
        scored=num_scored,
        skipped=skipped,
        failed=len(todo) - num_scored,
        regions=num_regions,
        seconds=round(seconds, 2),
        images_per_second=round(num_scored / seconds, 2),
        statuses=counts,
    )


def _check_levels(levels: tuple[str, ...]) -> None:
    """Refuse unknown or no levels."""
    unknown = [level for level in levels if level not in LEVELS]
    if unknown or not levels:
        msg = f"levels = {', '.join(levels) or 'none'}: name one or more of {', '.join(LEVELS)}."
        raise UsageError(msg)


def _provenance(
    run: LoadedRun, described: dict[str, Any], plan: CellPlan, levels: tuple[str, ...]
) -> dict[str, Any]:
    """Everything that says where scores come from, equal for files that may be mixed."""
    return {
        "run": run.run_id,
        "checkpoint_sha256": run.checkpoint_sha256,
        "dataset": {
            "name": Path(described["root"]).name,
            "layout": described["layout"],
            "labels": described["id_map"]["name"],
            "images": described["images"],
            "fingerprint": described["fingerprint"],
        },
        "classes": {"name": run.classes.name, "names": list(run.classes.names)},
        "id_map": described["id_map"],
        "method": run.config.fit.method,
        "method_settings": run.config.method,
        "levels": list(levels),
        "stride": plan.stride,
        "regions": plan.regions,
        "region_px": plan.region_px,
        "seed": run.config.fit.seed,
        "versions": package_versions(),
        "ignore_index": IGNORE_INDEX,
    }


def _warn_of_failures(counts: dict[str, int], first: str, reporter: Reporter) -> None:
    """Say how many images have no score, and why."""
    failed = {status: n for status, n in counts.items() if status != OK}
    if failed:
        listing = ", ".join(f"{n} {status}" for status, n in failed.items())
        reporter.warn(
            f"{sum(failed.values())} images have no score ({listing}); they are in the table with "
            f"their status, and --resume tries them again. First: {first}"
        )
