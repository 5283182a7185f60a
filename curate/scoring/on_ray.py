"""Score a data set in parts on a Ray cluster, whose nodes share the folder of the parts."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from curate import errors, job, reporting
from curate.cluster import parts, ray_cluster, ray_pool
from curate.files import atomic
from curate.scores import guard, merge, provenance, score_file, targets
from curate.scoring import work
from curate.scoring.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from curate.scoring import scorer


@dataclass(frozen=True, slots=True)
class PartMaker:
    """What a worker is to prepare, and where the parts go.

    Attributes
    ----------
    dataset, out : Path
        Absolute.
    count : int
        Of all parts.
    opening : dict
        Arguments of `open_work`.
    device : str
    workers : int or None
    """

    dataset: Path
    out: Path
    count: int
    opening: dict[str, Any]
    device: str
    workers: int | None

    def __call__(self) -> ray_pool.Work:
        """Open run and data set, and put the networks on a device."""
        opened = work.open_work(self.dataset, **self.opening)
        return partial(self._score, opened, opened.make_scorer(self.device))

    def _score(
        self, opened: work.Opened, scorer: scorer.Scorer, number: int, tell: Callable[[int], None]
    ) -> work.Outcome:
        """Score a part, or what is left of it."""
        part = job.Shard(number, self.count)
        path = parts.path_of(self.out, part)
        return opened.score_part(
            scorer, path, part, workers=self.workers, resume=True, reporter=_Teller(tell)
        )


class _Teller(reporting.SilentReporter):
    """Tells the driver how far a part is."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell = tell

    def advance(self, done: float, values: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Tell it."""
        self._tell(int(done))


def score_on_ray(
    dataset: Path,
    out: Path,
    cluster: ray_cluster.Cluster,
    *,
    opening: dict[str, Any],
    rows_to_look_at: Callable[[int], list[int]],
    part_images: int,
    resume: bool,
    overwrite: bool,
    workers: int | None,
    device: str,
    command: Sequence[str],
    reporter: reporting.Reporter,
) -> work.ScoreResult:
    """Do what `curate.score` does, on a cluster.

    Parts that are done are checked by their checksums and never made twice.

    Parameters
    ----------
    opening : dict
        Arguments of `open_work`.
    rows_to_look_at : callable
        Chooses the rows that are looked at before the work begins, given their number.

    Raises
    ------
    RunError
        If parts failed, or there is no cluster; what is done is kept, `resume` goes on from there.
    UsageError, ConfigError, DataError, StoreError
        As `curate.score`.
    """
    started = time.monotonic()
    ray_cluster.import_ray()
    opened = work.open_work(dataset, **opening)
    reporter.note(opened.title)
    total = len(opened.source.pairs)
    opened.look(rows_to_look_at(total), reporter)
    out = out.absolute()
    folder = _open_folder(out, resume=resume, overwrite=overwrite)
    known = parts.counts(folder)
    count = min(known) if known else max(2, math.ceil(total / part_images))
    first = job.Shard(1, count)
    parts.choose_path(parts.path_of(out, first), "1", first, command)
    todo = _find_todo(folder, count, opened, reporter)
    before = total - sum(len(job.Shard(n, count).of(range(total))) for n in todo)
    own = opening | {"run": opened.run.path.absolute()}
    maker = PartMaker(dataset.absolute(), out, count, own, device, workers)
    reporter.start("score", total, before)
    done = ray_pool.do_parts(
        todo, maker, cluster, lambda units, rates: reporter.advance(before + units, rates)
    )
    reporter.finish()
    if done.failures:
        raise _failed(folder, count, done.failures)
    outcome = _finish(folder, out, opened, done, before, reporter)
    return opened.describe(out, outcome, time.monotonic() - started, reporter)


def _open_folder(out: Path, *, resume: bool, overwrite: bool) -> Path:
    """Refuse what is in the way, and make the folder of the parts."""
    target, folder = targets.resolve_target(out), parts.path_of(out, job.Shard()).parent
    found = [*target.found(), *([folder] if folder.exists() else [])]
    if overwrite and resume:
        msg = "--overwrite and --resume of score exclude each other: give one of them."
        raise errors.UsageError(msg)
    if found and not (resume or overwrite):
        msg = (
            f"{found[0]} exists already: let score go on with --resume, replace it with "
            "--overwrite, or name another --out."
        )
        raise errors.UsageError(msg)
    guard.refuse_foreign(target)
    if overwrite:
        atomic.remove_folder(folder)
    atomic.check_writable(folder)
    return folder


def _find_todo(
    folder: Path, count: int, opened: work.Opened, reporter: reporting.Reporter
) -> list[int]:
    """List the parts that are missing, unfinished or damaged; the others are of these settings."""
    if not parts.counts(folder):
        return list(range(1, count + 1))
    found = parts.survey(folder, reporter)
    wanted = json.loads(json.dumps(opened.provenance))
    for path in found.whole:
        provenance.refuse_mixing(
            score_file.ScoreFile(path).provenance,
            wanted,
            where=str(path),
            advice="Let score use the same settings again, or start over with --overwrite.",
        )
    for number, problem in found.problems.items():
        if problem == parts.DAMAGED:
            path = parts.path_of(folder.with_suffix(""), job.Shard(number, count))
            path.unlink()
    return sorted(found.problems)


def _finish(
    folder: Path,
    out: Path,
    opened: work.Opened,
    done: ray_pool.Done,
    before: int,
    reporter: reporting.Reporter,
) -> work.Outcome:
    """Put the parts together, and add up what was done."""
    tally, skipped, started = Tally(), before, time.monotonic()
    for outcome in done.results.values():
        tally.include(outcome.tally)
        skipped += outcome.skipped
    merged = merge.merge([folder], out, root=opened.config.root, overwrite=True, reporter=reporter)
    if merged.scored == 0:
        raise tally.nothing_scored(merged.images, opened.source.root)
    atomic.remove_folder(folder)
    return work.Outcome(tally, skipped, merged.regions, time.monotonic() - started)


def _failed(folder: Path, count: int, failures: dict[int, str]) -> errors.RunError:
    """Make the error about parts that failed for good."""
    number, reason = min(failures.items())
    msg = (
        f"{len(failures):,} of {count:,} parts could not be scored, the others are done and kept "
        f"in {folder}. Part {number}: {reason} Mend it, then let score go on with --resume."
    )
    return errors.RunError(msg)
