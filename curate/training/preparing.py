"""What a method learns before the joint training, part by part, saved after each."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import torch

from curate.data.batches import evaluation_batches, training_batches
from curate.distributed import first_decides
from curate.errors import DataError
from curate.interrupts import InterruptFlag
from curate.methods import Preparation
from curate.records import Batch
from curate.training.injection import inject_corruptions, pick_pieces
from curate.training.task import evenly_spaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.config import Config
    from curate.reporting import Reporter
    from curate.training.metric_log import MetricLog
    from curate.training.run_folder import RunFolder
    from curate.training.task import Task
    from curate.training.trainer import Trainer

MAX_REAL: Final = 120
MAX_SYNTHETIC: Final = 300
"""Images of each domain that a method learns from; evenly spaced where there are more."""


def prepare_method(
    trainer: Trainer,
    task: Task,
    config: Config,
    folder: RunFolder,
    log: MetricLog,
    reporter: Reporter,
) -> None:
    """Let the method learn what needs no segmenter; the first process does it for all.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C or SIGTERM. The finished parts are saved; the one that was begun is lost.
    """
    first_decides(partial(_prepare, trainer, task, config, folder, log, reporter))
    trainer.share_method()


def _prepare(
    trainer: Trainer,
    task: Task,
    config: Config,
    folder: RunFolder,
    log: MetricLog,
    reporter: Reporter,
) -> None:
    """Run the parts that are left."""
    real = _read(task, config, real=True)
    preparation = Preparation(
        real=real,
        synthetic=_read(task, config, real=False),
        draw_real=partial(_draw_real, task, config),
        inject=partial(inject_corruptions, real, config.fit.seed),
        pick_pieces=pick_pieces,
        seed=config.fit.seed,
        num_steps=config.fit.steps,
    )
    is_begun = False
    with InterruptFlag() as interrupt:
        for progress in trainer.method.prepare(preparation):
            if not is_begun:
                reporter.start("prepare", progress.total, progress.done, unit="parts")
                is_begun = True
            if progress.is_safe:
                folder.save(trainer, log, 0)
                reporter.advance(progress.done)
            if interrupt.is_set:
                reporter.finish()
                reporter.warn(
                    f"Interrupted; {progress.done} of {progress.total} parts of the preparation "
                    "are saved. Go on with: curate fit --resume"
                )
                raise KeyboardInterrupt
    if is_begun:
        reporter.finish()


def _read(task: Task, config: Config, *, real: bool) -> Batch:
    """Read the usable images of a domain, or as many as are needed, into one batch."""
    sources = task.real if real else task.synthetic
    usable = [
        (source, pair)
        for source in sources
        for pair in source.pairs
        if source.key_of(pair) in task.splits
    ]
    chosen = evenly_spaced(usable, MAX_REAL if real else MAX_SYNTHETIC)
    batches = list(
        evaluation_batches(
            chosen, size=config.fit.size, batch_size=config.fit.batch_size, is_real=real
        )
    )
    if not batches:
        msg = f"There are no {'real' if real else 'synthetic'} images to learn from. Add some."
        raise DataError(msg, code="no_images")
    return Batch(
        images=torch.cat([batch.images for batch in batches]),
        label_map=torch.cat([batch.label_map for batch in batches]),
        is_real=torch.cat([batch.is_real for batch in batches]),
        keys=tuple(key for batch in batches for key in batch.keys),
    )


def _draw_real(task: Task, config: Config, excluded: frozenset[str], steps: int) -> Iterator[Batch]:
    """Draw randomly changed batches of real images only."""
    return training_batches(
        task.real,
        (),
        size=config.fit.size,
        batch_size=config.fit.batch_size,
        seed=config.fit.seed,
        first_step=0,
        num_steps=steps,
        augment=config.augment,
        workers=0,
        pin_memory=False,
        exclude=task.unusable | excluded,
    )
