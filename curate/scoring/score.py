"""Score a whole data set with a finished run, at image, region and pixel level."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from curate import distributed, errors, job, records, remote, reporting
from curate.cluster import parts, ray_cluster
from curate.files.state import note
from curate.scores import targets
from curate.scoring import on_ray
from curate.scoring.work import ScoreResult, open_work

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate.config import Config
    from curate.data.dataset import DataSource
    from curate.dataset_config import ReadingConfig

MAX_OTHERS: Final = 64
"""About how many images of other parts are looked at before a part is scored."""

PART_IMAGES: Final = 500
"""Images of a part on a cluster."""


def score(
    dataset: Path | str,
    out: Path | str,
    *,
    config: Config,
    run: Path | str | None = None,
    reading: ReadingConfig | None = None,
    levels: tuple[str, ...] = records.LEVELS,
    shard: str = "1/1",
    workers: int | None = None,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    fix_list: Path | str | None = None,
    trust_run: bool = False,
    is_noted: bool = True,
    command: Sequence[str] = (),
    ray: ray_cluster.Cluster | None = None,
    part_images: int = PART_IMAGES,
    reporter: reporting.Reporter | None = None,
) -> ScoreResult:
    """Score every image of a data set into a score file.

    Under ``torchrun`` every process scores its share, and the first one puts the file together.

    Parameters
    ----------
    dataset : Path
        Folder in a known layout; read, never changed.
    out : Path
        ``weights.h5``, ``weights.parquet`` (tables only) or a folder (shards).
    config : Config
        Its ``[score]`` table, its record of runs, and what it says of `dataset` where it
        lists it.
    run : Path, optional
        Run folder; the newest finished one by default.
    reading : ReadingConfig, optional
        Override what the configuration says of `dataset`.
    levels : tuple of str
        Which of ``image``, ``region``, ``pixel`` to keep in the file.
    shard : str
        ``2/8`` scores the second of eight parts into `out`; `curate.merge` puts the files of all
        together. ``auto/8`` in a task of a job array scores its part, into a file of the folder
        ``<out>.parts``; bare ``auto`` where the array is numbered from 1 to its size.
    workers : int, optional
        Processes that read images; by default none on a CPU, whose threads read as well as they
        compute, and one a core beside a GPU.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    resume, overwrite : bool
        Go on with, or replace, an existing `out`.
    fix_list : Path, optional
        File of ``[[leave_out]]`` tables, by default that of ``[fit]``: images that get the status
        it names, and no score.
    trust_run : bool
        Whether code that the run names may run, though `config` does not name it.
    is_noted : bool
        Whether `out` becomes the newest score file of the project.
    command : sequence of str
        The command line that this is, kept beside the parts for those that have to be made again.
    ray : Cluster, optional
        Score in parts of `part_images` on the nodes of a Ray cluster.
    part_images : int

    Raises
    ------
    UsageError, ConfigError, DataError, RunError, StoreError
    KeyboardInterrupt
        On Ctrl-C, after what is finished was written.
    """
    reporter = reporter or reporting.default_reporter()
    started, dataset, out = time.monotonic(), remote.as_path(dataset), remote.as_path(out)
    part = job.parse_shard(shard)
    if isinstance(out, remote.RemotePath) and (ray or shard.startswith("auto")):
        msg = (
            f"{out} is written by one process: with --ray and --shard auto, name a file on a disk "
            "that all nodes reach."
        )
        raise errors.UsageError(msg)
    opening: dict[str, Any] = {
        "config": config,
        "run": run,
        "reading": reading,
        "levels": levels,
        "fix_list": fix_list,
        "trust_run": trust_run,
    }
    if ray is not None and not (resume and _is_finished(out)):
        _refuse_other_ways(part)
        return on_ray.score_on_ray(
            dataset,
            out,
            ray,
            opening=opening,
            rows_to_look_at=_some_rows,
            part_images=part_images,
            resume=resume,
            overwrite=overwrite,
            workers=workers,
            device=device,
            command=command,
            reporter=reporter,
        )
    with (
        distributed.init_distributed(device) as world,
        targets.staged(out, overwrite=overwrite, resume=resume) as local,
    ):
        reporter = reporter if world.is_first else reporting.SilentReporter()
        opened = open_work(dataset, **opening)
        reporter.note(opened.title)
        opened.look(_rows_to_look_at(opened.source, part), reporter)
        scorer = opened.make_scorer(device)
        path = distributed.by_first_rank(parts.choose_path)(local, shard, part, command)
        outcome = opened.score_part(
            scorer, path, part, workers=workers, resume=resume, overwrite=overwrite,
            reporter=reporter, world=world,
        )  # fmt: skip
    out = out if path == local else path
    if world.is_first and part.is_whole and is_noted:
        note(config.root, reporter, scores=[out])
    return opened.describe(out, outcome, time.monotonic() - started, reporter)


def _refuse_other_ways(part: job.Shard) -> None:
    """Refuse to cut the work twice."""
    if not part.is_whole or not job.this_process().is_alone:
        msg = (
            "--ray cuts the data set by itself: leave out --shard of score, and call it once, not "
            "under torchrun."
        )
        raise errors.UsageError(msg)


def _is_finished(out: Path) -> bool:
    """Tell whether a score file is there, and no parts for it."""
    is_begun = parts.path_of(out.absolute(), job.Shard()).parent.exists()
    return bool(targets.resolve_target(out.absolute()).files()) and not is_begun


def _some_rows(count: int) -> list[int]:
    """Choose some rows of all, evenly."""
    return list(range(count))[:: max(1, count // MAX_OTHERS)]


def _rows_to_look_at(source: DataSource, part: job.Shard) -> list[int] | None:
    """List the rows of a part, and some of the other parts, whose ids tell of the whole set."""
    if part.is_whole:
        return None
    count = len(source.pairs)
    return sorted({*part.of(range(count)), *_some_rows(count)})
