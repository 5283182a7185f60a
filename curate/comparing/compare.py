"""Train the same segmenter on competing data, paired, and tell what each arm is worth."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate import errors, reporting
from curate.comparing import outputs
from curate.comparing.arms import parse_arms
from curate.comparing.leakage import refuse_leakage
from curate.comparing.outcomes import CompareFolder
from curate.comparing.results import BASELINES, Comparison, Outcome, verdict
from curate.comparing.scheduling import count_workers, finish, finish_on_ray
from curate.comparing.trainings import Training, Warnings, check_arm
from curate.training.task import choose_classes, open_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.cluster import ray_cluster
    from curate.config import Config

DEFAULT_ARMS = ("real", "joint", "constant", "default", "default:permuted")
KEEP_MIB = 1024
"""Decoded images that each training keeps in memory, unless ``[fit]`` says otherwise."""


@dataclass(frozen=True, slots=True)
class CompareResult:
    """What `compare` found.

    Attributes
    ----------
    out : Path
    comparison : Comparison
    said : tuple of str
        In words: what is better than the baselines, and what more draws would tell.
    seconds : float
        Wall time of this call.
    """

    out: Path
    comparison: Comparison
    said: tuple[str, ...]
    seconds: float

    def table(self) -> list[str]:
        """Lay the comparison out for a terminal."""
        return outputs.terminal_table(self.comparison)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return self.comparison.to_json() | {
            "out": str(self.out),
            "said": list(self.said),
            "seconds": self.seconds,
        }


def compare(
    config: Config,
    *,
    arms: Sequence[str] = DEFAULT_ARMS,
    references: Sequence[str] = BASELINES,
    seeds: int = 2,
    draws: int = 1,
    num_real: int | None = None,
    out: Path | str,
    workers: int | None = None,
    ray: ray_cluster.Cluster | None = None,
    resume: bool = False,
    overwrite: bool = False,
    reporter: reporting.Reporter | None = None,
) -> CompareResult:
    """Train every arm from every draw and seed, and evaluate all of them on ``[[test]]``.

    Trainings of one draw and seed have the same real images, initial weights, steps and batch
    size. Nothing is chosen by the test images but the best of the arms ``constant:..``.

    Parameters
    ----------
    config : Config
        Its ``[fit]`` gives steps, size and batch size.
    arms, references : sequences of str
        See `curate.comparing.arms`; a reference that is no arm is added to them.
    seeds, draws : int
        Trainings of an arm: `seeds` for each of `draws` random draws of the real images.
    num_real : int, optional
        Real images of a draw; by default as in ``[fit]``, else all of them, which leaves one draw.
    out : Path
        Folder of the results, one JSON file a training, and the tables and plots made of them.
    workers : int, optional
        Trainings at a time, each with one thread; by default as many as there are cores, or GPUs.
    ray : Cluster, optional
        Train on the nodes of a Ray cluster, which share `out`, as many at a time as have room.
    resume : bool
        Go on in `out`: finished trainings are not repeated, unfinished ones go on.
    overwrite : bool
        Replace an earlier comparison in `out`.
    reporter : reporting.Reporter, optional
        Receives progress and warnings; the log by default.

    Raises
    ------
    UsageError, ConfigError, DataError, RunError, StoreError
    KeyboardInterrupt
        On Ctrl-C or SIGTERM, after every training was saved.
    """
    reporter, started = reporter or reporting.default_reporter(), time.monotonic()
    names = list(dict.fromkeys([*references, *arms]))
    chosen = parse_arms(names, config)
    num_real = num_real or config.fit.num_real
    _check(config, draws, num_real)
    refuse_leakage(config, [arm.own for arm in chosen if arm.own])
    heard = Warnings(reporter)
    _check_draws(draws, num_real, _look_at(config, heard), heard)
    config = config.with_fit(num_real=num_real, keep_mib=config.fit.keep_mib or KEEP_MIB)
    path = Path(os.path.realpath(out))
    for arm in chosen:
        check_arm(Training(arm, 0, 0, path, config))
    with CompareFolder(path, config, resume=resume, overwrite=overwrite) as folder:
        folder.take_memory(config.root)
        trainings = [
            Training(arm, draw, seed, path, config)
            for draw in range(draws)
            for seed in range(seeds)
            for arm in chosen
        ]
        try:
            outcomes = _run(trainings, folder, workers or count_workers(config), ray, heard)
        except KeyboardInterrupt:
            done = sum(folder.read(training.name) is not None for training in trainings)
            reporter.warn(
                f"Interrupted; {done} of {len(trainings)} trainings are finished, and what others "
                "have done is saved for --resume."
            )
            raise
        comparison = Comparison.of(outcomes, references)
        said = tuple(verdict(comparison))
        outputs.write_tables(path, comparison, said, choose_classes(config).names)
    return CompareResult(path, comparison, said, round(time.monotonic() - started, 2))


def _check(config: Config, draws: int, num_real: int | None) -> None:
    """Refuse what cannot be measured."""
    if not config.test:
        msg = (
            "There is no [[test]] table in curate.toml, and arms are compared on real images that "
            'no arm learned from. Add one: [[test]] path = "..".'
        )
        raise errors.ConfigError(msg)
    if not config.synthetic:
        msg = "There is no [[synthetic]] table in curate.toml: nothing to compare. Add one."
        raise errors.ConfigError(msg)
    if draws > 1 and num_real is None:
        msg = (
            f"--draws {draws} without --num-real would train on the same real images {draws} "
            "times. Give --num-real N, or repeat trainings with --seeds."
        )
        raise errors.UsageError(msg)


def _look_at(config: Config, reporter: reporting.Reporter) -> int:
    """Look at all data sets before anything is trained; return the number of real images."""
    every = config.model_copy(update={"fit": config.fit.model_copy(update={"num_real": None})})
    return open_task(every, num_folds=1, reporter=reporter).num_real


def _check_draws(
    draws: int, num_real: int | None, total: int, reporter: reporting.Reporter
) -> None:
    """Refuse draws that are all the same, and warn of draws that hardly differ."""
    if num_real is not None and num_real > total:
        msg = f"--num-real {num_real}, but there are {total} usable real images. Draw fewer."
        raise errors.UsageError(msg)
    if draws == 1 or num_real is None:
        return
    if num_real == total:
        msg = (
            f"--num-real {num_real} draws all of the {total} real images, each time the same. Draw "
            "fewer, or repeat trainings with --seeds."
        )
        raise errors.UsageError(msg)
    if num_real > total / 2:
        reporter.warn(
            f"Two draws of {num_real} of {total} real images share {num_real / total:.0%} of them "
            "on average: intervals over draws are narrower than those over new images would be."
        )


def _run(
    trainings: Sequence[Training],
    folder: CompareFolder,
    workers: int,
    cluster: ray_cluster.Cluster | None,
    reporter: Warnings,
) -> list[Outcome]:
    """Train what is missing; return every outcome in the order of the trainings."""
    found = {training.name: folder.read(training.name) for training in trainings}
    missing = [training for training in trainings if found[training.name] is None]
    reporter.start("compare", len(trainings), len(trainings) - len(missing), unit="trainings")
    told, left = set(reporter.seen), Counter((training.draw, training.seed) for training in missing)
    finished = finish_on_ray(missing, cluster) if cluster else finish(missing, workers)
    for number, (training, outcome) in enumerate(finished, start=1):
        folder.write(training.name, outcome)
        found[training.name] = outcome
        left[training.draw, training.seed] -= 1
        if not left[training.draw, training.seed]:
            training.forget_drawn()
        for warning in (w for w in outcome.warnings if w not in told):
            reporter.warn(f"{training.name}: {warning}")
            told.add(warning)
        reporter.advance(len(trainings) - len(missing) + number, {"miou": outcome.miou})
    reporter.finish()
    return [done for training in trainings if (done := found[training.name]) is not None]
