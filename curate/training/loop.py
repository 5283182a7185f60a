"""The steps of a training: each is trained, measured, logged and saved where it is due."""

from __future__ import annotations

import math
import time
from contextlib import closing
from typing import TYPE_CHECKING

from curate import errors
from curate.data.batches import training_batches
from curate.data.workers import worker_errors
from curate.distributed import any_rank, gather_objects
from curate.interrupts import InterruptFlag
from curate.models import devices

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate import records, reporting
    from curate.config import Config
    from curate.training import run_record
    from curate.training.run_folder import RunFolder
    from curate.training.task import Task
    from curate.training.trainer import Trainer


def train(
    trainer: Trainer,
    task: Task,
    config: Config,
    folder: RunFolder,
    log: run_record.MetricLog,
    held_out: list[records.Batch],
    first_step: int,
    reporter: reporting.Reporter,
    shared: Path | None = None,
) -> None:
    """Run the steps that are left; save regularly, and once more when interrupted."""
    settings = config.fit
    batches = training_batches(
        task.real,
        task.synthetic,
        size=settings.size,
        batch_size=settings.batch_size,
        seed=settings.seed,
        first_step=first_step,
        num_steps=settings.steps - first_step,
        augment=config.augment,
        workers=_count_workers(config, trainer),
        pin_memory=trainer.device.device.type == "cuda",
        exclude=task.unusable,
        world=trainer.world,
        with_uncropped=trainer.method.weighs_uncropped,
        keep_bytes=settings.keep_mib * 2**20,
        shared=shared,
    )
    reporter.start("fit", settings.steps, first_step, unit="steps")
    clock, seen = time.monotonic(), 0
    with InterruptFlag() as interrupt, worker_errors(), closing(batches):
        for number, batch in enumerate(batches, start=first_step):
            _warn_of_unreadable(batch, reporter)
            metrics = _step(trainer, number, batch)
            done, seen = number + 1, seen + settings.batch_size
            metrics["images_per_second"] = seen / (time.monotonic() - clock)
            is_last = done == settings.steps
            if done % settings.evaluate_every == 0 and not is_last:
                metrics |= evaluate(trainer, held_out, is_last=False)
            log.add(done, {k: v for k, v in metrics.items() if k != "images_per_second"})
            reporter.advance(done, metrics)
            is_stopped = any_rank(interrupt.is_set)
            if is_last or is_stopped or done % settings.checkpoint_every == 0:
                folder.save(trainer, log, done)
            if is_stopped:
                reporter.finish()
                reporter.warn(f"Interrupted. {folder.what_is_saved()}")
                raise KeyboardInterrupt
    reporter.finish()


def evaluate(
    trainer: Trainer, held_out: Sequence[records.Batch], *, is_last: bool
) -> dict[str, float]:
    """Measure on held-out images; say plainly where the memory is too small for them."""
    advice = "Lower size or batch_size in [fit], or held_out, the share of images to measure on."
    with devices.memory_errors(trainer.device.device, "in an evaluation", advice):
        return trainer.evaluate(held_out, is_last=is_last)


def _step(trainer: Trainer, number: int, batch: records.Batch) -> dict[str, float]:
    """Train one step; say plainly why training cannot go on where it cannot."""
    settings, size = trainer.settings, "x".join(map(str, trainer.settings.size))
    task = f"with batch_size = {settings.batch_size} at {size} pixels"
    advice = "Lower one of them, or use a smaller segmenter."
    with devices.memory_errors(trainer.device.device, task, advice):
        metrics = trainer.step(number, batch)
    losses = metrics["loss_real"], metrics["loss_synthetic"]
    if not all(map(math.isfinite, losses)):
        msg = (
            f"The loss is not finite at step {number + 1} (real {losses[0]}, synthetic "
            f"{losses[1]}). Start a new run with a lower learning_rate than "
            f"{trainer.settings.learning_rate}."
        )
        raise errors.RunError(msg)
    return metrics


def _count_workers(config: Config, trainer: Trainer) -> int:
    """Count the readers beside the training."""
    if config.fit.workers is not None:
        return config.fit.workers
    return devices.count_readers(trainer.device.device)


def _warn_of_unreadable(batch: records.Batch, reporter: reporting.Reporter) -> None:
    """Say which images could not be read, in any process."""
    if any_rank(bool(batch.problems)):
        for problems in gather_objects(batch.problems):
            for key, message in problems:
                reporter.warn(f"Left out {key}: {message}")
