"""Trainings side by side, each with one thread, none making what another is just making."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING

import torch

from curate import errors
from curate.cluster import ray_cluster, ray_pool
from curate.comparing.trainings import Training, run_training
from curate.data.workers import end_with_parent, refuse_unguarded_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from curate.comparing.results import Outcome
    from curate.config import Config


def finish_on_ray(
    trainings: Sequence[Training], cluster: ray_cluster.Cluster
) -> Iterator[tuple[Training, Outcome]]:
    """Yield trainings as they are finished on a cluster, whose nodes share the folder.

    What others need is made first: until it is, none of them is begun.

    Raises
    ------
    RunError
        If a training failed for good, when all others are finished.
    """
    waiting, failures = list(trainings), dict[str, str]()
    while waiting:
        batch = list[Training]()
        while following := choose_next(waiting, batch, set()):
            waiting.remove(following)
            batch.append(following)
        done = ray_pool.each_part(range(len(batch)), partial(_Trainer, batch), cluster, _ignore)
        for number, outcome, problem in done:
            if problem:
                failures[batch[number].name] = problem
            else:
                yield batch[number], outcome
    if failures:
        name, reason = next(iter(failures.items()))
        msg = (
            f"{len(failures)} of {len(trainings)} trainings failed, the others are kept. {name}: "
            f"{reason} Mend it, then let compare go on with --resume."
        )
        raise errors.RunError(msg)


class _Trainer:
    """A worker on a cluster: trains by number."""

    def __init__(self, trainings: Sequence[Training]) -> None:
        self._trainings = trainings

    def __call__(self, number: int, tell: Callable[[int], None]) -> Outcome:
        """Train, or go on with what another worker began."""
        tell(0)
        return run_training(self._trainings[number])


def _ignore(_done: int, _rates: dict[str, float]) -> None:
    """Leave the progress to whoever takes the outcomes."""


def finish(trainings: Sequence[Training], workers: int) -> Iterator[tuple[Training, Outcome]]:
    """Yield trainings as they are finished; a single worker runs them in this process, in turn."""
    if workers == 1 or len(trainings) <= 1:
        for training in trainings:
            yield training, run_training(training)
        return
    refuse_unguarded_script()
    context = multiprocessing.get_context("spawn")
    queue, made = list(trainings), set[str]()
    running: dict[Future[Outcome], Training] = {}
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker) as pool:
        try:
            while queue or running:
                while len(running) < workers and (
                    following := choose_next(queue, running.values(), made)
                ):
                    queue.remove(following)
                    running[pool.submit(run_training, following)] = following
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    training = running.pop(future)
                    made |= training.makes
                    yield training, future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()  # a training saves its state first
            raise


def choose_next(
    queue: Sequence[Training], running: Iterable[Training], made: set[str]
) -> Training | None:
    """Choose the first training that makes nothing for others that one is just making.

    Parameters
    ----------
    queue : sequence of Training
    running : iterable of Training
    made : set of str
        What the finished ones have made.
    """
    in_the_making = {name for training in running for name in training.makes} - made
    return next((each for each in queue if not each.makes & in_the_making), None)


def count_workers(config: Config) -> int:
    """Trainings at a time: one a core, or one a GPU."""
    if config.fit.device != "cpu" and torch.cuda.is_available():
        return torch.cuda.device_count()
    return len(os.sched_getaffinity(0))


def _begin_worker() -> None:
    """Use one thread, and end with the process that asked for the work."""
    torch.set_num_threads(1)
    end_with_parent()
