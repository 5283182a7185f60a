"""A run and a data set, opened once for all parts of the data set that it scores."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from curate import distributed, errors, job, records, remote
from curate.checking import judgement, leave_out
from curate.cluster import parts
from curate.data.workers import worker_errors
from curate.models import devices
from curate.scores import checks, packing
from curate.scores.writer import ScoreWriter
from curate.scoring import scored_image, writer_thread
from curate.scoring.scorer import Scorer
from curate.scoring.tally import Tally
from curate.training import loaded_run, run_record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate.config import Config, ScoreConfig
    from curate.data.dataset import DataSource
    from curate.dataset_config import ReadingConfig
    from curate.reporting import Reporter


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """What `score` did.

    Attributes
    ----------
    out : Path
    name : str
        What the data set is called.
    run : Path
        Folder of the run that scored.
    scored, skipped, failed : int
        Images scored now, scored by an earlier call (with `resume`), and not scorable.
    regions : int
        Rows of the region table.
    seconds, images_per_second : float
        Wall time of this call, and images scored in it per second.
    writing_seconds : float
        Time spent on writing, beside the computation and after it.
    statuses : dict of str to int
        Images by status, ``ok`` included.
    """

    out: Path
    name: str
    run: Path
    scored: int
    skipped: int
    failed: int
    regions: int
    seconds: float
    images_per_second: float
    writing_seconds: float
    statuses: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return asdict(self) | {"out": str(self.out), "run": str(self.run)}


class Opened(NamedTuple):
    """A run and the data set that it is to score, each looked at once for all parts.

    Attributes
    ----------
    config : Config
    run : LoadedRun
    source : DataSource
    provenance : dict
        Of the scores.
    """

    config: Config
    run: loaded_run.LoadedRun
    source: DataSource
    provenance: dict[str, Any]

    def look(self, rows: list[int] | None, reporter: Reporter) -> None:
        """Look at some rows of the data set, or all, before the work begins."""
        distributed.by_first_rank(judgement.look_before)(
            self.source,
            project=self.config.root,
            reporter=reporter,
            rows=rows,
            real_class_px=self.run.provenance["real_class_px"],
        )

    def make_scorer(self, device: str) -> Scorer:
        """Put the networks on a device."""
        return Scorer(
            self.run,
            scored_image.CellPlan(self.run.config.fit.size, self.config.score),
            devices.choose_device(device, self.run.config.fit.precision),
            batch_size=self.config.score.batch_size,
        )

    def score_part(
        self,
        scorer: Scorer,
        out: Path,
        part: job.Shard,
        *,
        workers: int | None = None,
        resume: bool,
        overwrite: bool = False,
        reporter: Reporter,
        world: job.World = job.ALONE,
    ) -> Outcome:
        """Score a part, or all, into a file."""
        writing = {"provenance": self.provenance, "dataset_root": self.source.root}
        readers = _count_readers(workers, scorer)
        with _open_writer(world, out, writing, resume=resume, overwrite=overwrite) as writer:
            distributed.by_first_rank(parts.unseal)(out)
            outcome = _score_all(world, writer, scorer, self.source, part, readers, reporter)
        distributed.by_first_rank(parts.seal)(out)
        return outcome

    @property
    def title(self) -> str:
        """Say which run scores which data set."""
        size = "x".join(map(str, self.run.config.fit.size))
        return (
            f"Run: {self.run.path} ({self.run.config.fit.method}, {size})\n"
            f"Data set: {self.source.name} at {self.source.root} "
            f"({self.source.layout}, {len(self.source.pairs):,} images)"
        )

    def describe(
        self, out: Path, outcome: Outcome, seconds: float, reporter: Reporter
    ) -> ScoreResult:
        """Say what was done, and what could not be."""
        outcome.tally.warn(reporter)
        return ScoreResult(
            out=out,
            name=self.source.name,
            run=self.run.path,
            scored=outcome.tally.scored,
            skipped=outcome.skipped,
            failed=outcome.tally.failed,
            regions=outcome.regions,
            seconds=round(seconds, 2),
            images_per_second=round(outcome.tally.scored / seconds, 2),
            writing_seconds=round(outcome.writing_seconds, 3),
            statuses=outcome.tally.statuses,
        )


def open_work(
    dataset: Path | str,
    *,
    config: Config,
    run: Path | str | None,
    reading: ReadingConfig | None,
    levels: tuple[str, ...],
    fix_list: Path | str | None,
    trust_run: bool,
) -> Opened:
    """Open a run and a data set, and refuse what cannot be scored; see `score`."""
    _check_levels(levels)
    loaded = loaded_run.open_scoring_run(run, config, trust_run=trust_run)
    source = loaded_run.open_known_dataset(remote.as_path(dataset), config, loaded, reading=reading)
    source = leave_out.apply_fix_list(source, fix_list or config.fit.fix_list)
    checks.check_ids(pair.id for pair in source.pairs)
    # what was listed, whatever becomes of it while it is looked at
    described = distributed.by_first_rank(run_record.describe_source)(source)
    source = replace(source, key=loaded.source_key(described["fingerprint"]) or source.key)
    packing.check_compression(config.score.compression)
    _check_stream_maps(loaded, config.score, levels)
    return Opened(config, loaded, source, describe_scores(loaded, described, config.score, levels))


class Outcome(NamedTuple):
    """Counts of all processes; regions of the finished file; seconds that writing took."""

    tally: Tally
    skipped: int
    regions: int
    writing_seconds: float


def _score_all(
    world: job.World,
    writer: ScoreWriter,
    scorer: Scorer,
    source: DataSource,
    part: job.Shard,
    workers: int,
    reporter: Reporter,
) -> Outcome:
    """Score this process's share of what is left, wait for the others, and finish the file.

    Of a part, all images may be unfit: the others may have more.
    """
    pairs, done = part.of(source.pairs), distributed.broadcast_object(writer.done)
    todo = [pair for pair in pairs if pair.id not in done]
    skipped = len(pairs) - len(todo)
    mine = job.Shard(world.rank + 1, world.size).of(todo)
    reporter.start("score", skipped + len(mine), skipped)
    own, seconds = _score_into(writer, scorer, source, mine, skipped, workers, reporter)
    reporter.finish()
    tally = Tally()
    for each in distributed.gather_objects(own):  # which waits until all are done
        tally.include(each)
    if tally.scored + skipped == 0 and part.is_whole:
        raise tally.nothing_scored(len(todo), source.root)
    before = time.monotonic()
    regions = distributed.by_first_rank(writer.finish)()
    return Outcome(tally, skipped, regions, seconds + time.monotonic() - before)


def _score_into(
    writer: ScoreWriter,
    scorer: Scorer,
    source: DataSource,
    todo: Sequence[records.Pair],
    skipped: int,
    workers: int,
    reporter: Reporter,
) -> tuple[Tally, float]:
    """Score images while a thread writes; return the counts and the seconds it wrote for."""
    tally, done = Tally(), skipped
    with (
        worker_errors(),
        writer_thread.WriterThread(writer) as thread,
        closing(scorer.score(source, todo, workers=workers)) as batches,
    ):
        for images in batches:
            thread.put(images)
            tally.add(images)
            done += len(images)
            reporter.advance(done)
    return tally, thread.busy_seconds


def _open_writer(
    world: job.World, out: Path, settings: dict[str, Any], *, resume: bool, overwrite: bool
) -> ScoreWriter:
    """Open the writer of this process; the first one looks after what is there already."""
    if world.is_first:
        writer = ScoreWriter(out, resume=resume, overwrite=overwrite, **settings)
        distributed.barrier()
        return writer
    distributed.barrier()
    return ScoreWriter(out, rank=world.rank, **settings)


def _count_readers(workers: int | None, scorer: Scorer) -> int:
    """Count the processes that read."""
    return devices.count_readers(scorer.device.device) if workers is None else workers


def _check_levels(levels: tuple[str, ...]) -> None:
    """Refuse unknown or no levels."""
    unknown = [level for level in levels if level not in records.LEVELS]
    if unknown or not levels:
        known = ", ".join(records.LEVELS)
        msg = f"levels = {', '.join(levels) or 'none'}: name one or more of {known}."
        raise errors.UsageError(msg)


def _check_stream_maps(
    run: loaded_run.LoadedRun, settings: ScoreConfig, levels: tuple[str, ...]
) -> None:
    """Refuse to keep maps of streams where there are none."""
    if not settings.stream_maps:
        return
    problem = ""
    if not run.networks.method.streams:
        problem = f"the method '{run.config.fit.method}' of {run.path} has no streams"
    elif "pixel" not in levels:
        problem = f"levels = {', '.join(levels)} keep no maps of pixels"
    if problem:
        msg = (
            f"maps of streams are asked for, but {problem}: leave out --stream-maps, or "
            "stream_maps in [score]."
        )
        raise errors.UsageError(msg)


def describe_scores(
    run: loaded_run.LoadedRun,
    described: dict[str, Any],
    settings: ScoreConfig,
    levels: tuple[str, ...],
) -> dict[str, Any]:
    """Say where scores come from.

    Parameters
    ----------
    described : dict
        The data set, from `describe_source`.
    """
    streams = run.networks.method.streams
    # without streams the keys of files that know of none, so that these can still be resumed
    own = {"streams": list(streams), "stream_maps": settings.stream_maps} if streams else {}
    return own | {
        "run": run.run_id,
        "checkpoint_sha256": run.checkpoint_sha256,
        "dataset": {
            "name": described["name"],
            "layout": described["layout"],
            "id_map": described["id_map"]["name"],
            "images": described["images"],
            "range": described["range"],
            "split": described["split"],
            "fingerprint": described["fingerprint"],
        },
        "classes": {"name": run.classes.name, "names": list(run.classes.names)},
        "id_map": described["id_map"],
        "method": run.config.fit.method,
        "method_settings": run.config.method_settings,
        "weight_rule": run.networks.method.weight_rule().to_json(),
        "rank_by": "score",  # what a cut ranks by, unless it says otherwise
        "levels": list(levels),
        "stride": settings.stride,
        "regions": settings.regions,
        "region_px": settings.region_px,
        "seed": run.config.fit.seed,
        "versions": run_record.package_versions(),
        "ignore_index": records.IGNORE_INDEX,
    }
