"""Train a segmenter and weighting networks jointly, into a run folder that can be resumed."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate import errors, job, records, remote, reporting
from curate.data.batches import evaluation_batches
from curate.distributed import by_first_rank, init_distributed
from curate.files import atomic, state, transfer
from curate.interrupts import InterruptFlag, signals_held
from curate.models import devices
from curate.training import loaded_run, preparation, run_provenance, run_record, sharing, summary
from curate.training.loop import evaluate, train
from curate.training.networks import build_networks, check_method
from curate.training.run_folder import RUNS_NAME, RunFolder
from curate.training.task import Task, open_task
from curate.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate import methods
    from curate.config import Config

COLLAPSED_ESS = 0.2


@dataclass(frozen=True, slots=True)
class FitResult:
    """What `fit` did.

    Attributes
    ----------
    run : Path
        Folder of the finished run.
    steps : int
    seconds : float
        Wall time of this call; earlier calls of a resumed run are not in it.
    device, precision : str
        ``cpu`` or ``cuda``, and what segmenters computed with there.
    num_real, num_synthetic : int
        Images trained on.
    images_per_second : float
    trained_seconds : float
        Wall time of the call that finished the run, and of a preparation that it took over.
    measured : dict of str to float
        Last held-out measurements: ``auroc_pixel``, ``held_out_loss_pixel``, .. by level; None
        where a domain had no held-out image.
    verdict : list of str
        In words: what tells real from synthetic, which streams are active, how scores spread.
    """

    run: Path
    steps: int
    seconds: float
    device: str
    num_real: int
    num_synthetic: int
    images_per_second: float
    trained_seconds: float = 0.0
    precision: str = "float32"
    measured: dict[str, float | None] = field(default_factory=dict)
    verdict: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return asdict(self) | {"run": str(self.run)}


def fit(
    config: Config,
    *,
    out: Path | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    shared: Path | None = None,
    reporter: reporting.Reporter | None = None,
) -> FitResult:
    """Train jointly and leave a finished run folder.

    Processes that ``torchrun`` started train together, each on its share of every batch; what
    they write and report is written and reported once.

    Parameters
    ----------
    config : Config
        From `curate.load_config`.
    out : Path, optional
        Run folder; by default the next ``runs/run-0001`` beside curate.toml.
    resume : bool
        Go on with `out`, or with the newest unfinished run. On a CPU the result is bit for bit
        that of an uninterrupted run, with the same number of processes.
    overwrite : bool
        Replace `out` if it is a run.
    shared : Path, optional
        Folder in which trainings with the same real images and seed keep, for each other, what
        their method prepares and the images that they draw; the result is the same without it.
    reporter : Reporter, optional
        Receives progress and warnings; the log by default.

    Raises
    ------
    ConfigError, DataError, RunError, StoreError
    KeyboardInterrupt
        On Ctrl-C or SIGTERM, after a checkpoint was saved.
    """
    reporter = reporter or reporting.default_reporter()
    if out and remote.is_url(out):
        url, last = remote.as_path(out), run_record.RUN_NAME
        with transfer.staged(url, last=last, resume=resume, overwrite=overwrite) as local:
            flags = {"resume": resume, "overwrite": overwrite}
            made = fit(config, out=local, shared=shared, reporter=reporter, **flags)
        if run_record.gives_scores(config.fit.method):
            state.note(config.root, reporter, run=url)
        return replace(made, run=url)
    started = time.monotonic()
    num_folds = check_method(config)
    with init_distributed(config.fit.device) as world:
        reporter = reporter if world.is_first else reporting.SilentReporter()
        _check_shares(config, world)
        path = Path(out) if out else None
        by_first_rank(atomic.check_writable)(path.absolute().parent if path else config.root)
        with RunFolder.open(config, path, resume=resume, overwrite=overwrite) as folder:
            if folder.is_finished:
                folder.clear_up()
                reporter.warn(f"{folder.path} is finished already; nothing was left to do.")
            else:
                _fit_into(folder, config, num_folds, shared, reporter, world)
            if run_record.gives_scores(config.fit.method):  # else it is of no use to others
                by_first_rank(state.note)(config.root, reporter, run=folder.path)
            result = by_first_rank(run_record.read_finished)(folder.path).result
    return FitResult(run=folder.path, seconds=round(time.monotonic() - started, 2), **result)


def _check_shares(config: Config, world: job.World) -> None:
    """Refuse a batch that the processes cannot share equally."""
    unit = world.size * (2 if config.synthetic else 1)
    size = config.fit.batch_size
    if size % unit:
        below, above = size // unit * unit, (size // unit + 1) * unit
        fitting = f"{below} or {above}" if below else f"{above}"
        each = "as many real and as many synthetic images" if config.synthetic else "as many images"
        msg = (
            f"batch_size = {size} cannot be shared by {world.size} processes: each must get {each} "
            f"as the others. Set it to a multiple of {unit}, for example {fitting}, or start "
            "another number of processes."
        )
        raise errors.ConfigError(msg)


def _fit_into(
    folder: RunFolder,
    config: Config,
    num_folds: int,
    shared: Path | None,
    reporter: reporting.Reporter,
    world: job.World,
) -> None:
    """Train from the folder's checkpoint, or from the start, to the finished run."""
    started = time.monotonic()
    device = devices.choose_device(config.fit.device, config.fit.precision)
    task = by_first_rank(open_task)(config, num_folds=num_folds, reporter=reporter)
    networks = build_networks(
        config,
        num_classes=len(task.classes),
        real_class_px=task.real_class_px.tolist(),
        splits=task.splits,
        is_restored=folder.has_checkpoint,
    )
    if config.fit.start_from and not folder.has_checkpoint:
        loaded_run.load_segmenter(config.fit.start_from, networks.segmenter)
    folder.begin(config, task)  # from here on there is a folder: what cannot begin leaves none
    for line in summary.describe_work(config, task, folder.path) if world.is_first else ():
        reporter.note(line)
    trainer = Trainer(
        networks.segmenter,
        networks.method,
        stages=networks.stages,
        settings=config.fit,
        device=device,
        world=world,
    )
    log = run_record.MetricLog(
        folder.path, use_tensorboard=config.fit.tensorboard and world.is_first
    )
    first_step = folder.restore(trainer, log)
    earlier = 0.0
    if trainer.method.prepares and first_step == 0:
        earlier = _prepare(trainer, task, config, folder, log, shared, reporter)
        trainer.share_method()
    is_evaluated = trainer.method.gives_scores and world.is_first
    held_out = _read_held_out(task, config) if is_evaluated else []
    train(trainer, task, config, folder, log, held_out, first_step, reporter, shared)
    measured = evaluate(trainer, held_out, is_last=True)
    log.add(config.fit.steps, measured)
    if warning := trainer.method.warning(measured):
        reporter.warn(warning)
    _warn_of_collapse(log, reporter)
    for root in by_first_rank(run_provenance.changed_data)(folder.path, task):
        reporter.warn(
            f"{root} changed during the training (files were added, removed or resized): the same "
            "settings will not give the same weights again."
        )
    num_images = (config.fit.steps - first_step) * config.fit.batch_size
    seconds = time.monotonic() - started
    result = {
        "steps": config.fit.steps,
        "device": device.device.type,
        "precision": device.precision,
        "num_real": task.num_real,
        "num_synthetic": task.num_synthetic,
        "images_per_second": round(num_images / seconds, 2),
        "trained_seconds": round(earlier + seconds, 2),
        "measured": {k: v if math.isfinite(v) else None for k, v in measured.items()},
        "verdict": summary.describe_outcome(trainer, held_out, measured),
    }
    folder.finish(trainer, log, result)


@by_first_rank
def _prepare(
    trainer: Trainer,
    task: Task,
    config: Config,
    folder: RunFolder,
    log: run_record.MetricLog,
    shared: Path | None,
    reporter: reporting.Reporter,
) -> float:
    """Let the method learn what needs no segmenter, in parts; save after each.

    Where another training or run has kept what it prepared, it is taken over, and the seconds that
    it took are returned, if they are known; 0 otherwise.
    """
    is_begun, started = False, time.monotonic()
    kept = sharing.preparation_path(shared or folder.path, config, task)
    runs = None if shared else config.root / RUNS_NAME
    known_seconds = sharing.take_known(kept, runs, trainer, reporter)
    if known_seconds is not None:
        folder.save(trainer, log, 0)
        return known_seconds
    saved = ""
    try:
        with InterruptFlag(at_once=True) as interrupt:
            gathered = preparation.gather_preparation(task, config)
            for progress in _guarded(trainer.method.prepare(gathered), trainer):
                if not is_begun:
                    reporter.start("prepare", progress.total, progress.done, unit="parts")
                    is_begun = True
                    saved = f"{progress.done} of {progress.total}"
                if progress.is_safe:
                    with signals_held():
                        folder.save(trainer, log, 0)
                        saved = f"{progress.done} of {progress.total}"
                reporter.advance(progress.done + progress.share)
                if interrupt.is_set:
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        reporter.finish()
        if saved:
            where = f"are saved in {folder.path}"
            reporter.warn(f"Interrupted; {saved} parts of the preparation {where}.")
        raise
    if is_begun:
        reporter.finish()
    # equal runs shall be equal files: the time is in them only where others count it
    sharing.keep_preparation(kept, trainer, time.monotonic() - started if shared else 0.0)
    return 0.0


def _guarded(parts: Iterator[methods.Progress], trainer: Trainer) -> Iterator[methods.Progress]:
    """Say plainly why a preparation cannot go on where the memory is too small."""
    advice = (
        "Lower size or batch_size in [fit]. Finished parts are saved: where the memory was taken "
        "by others, go on with curate fit --resume"
    )
    with devices.memory_errors(trainer.device.device, "in the preparation", advice):
        yield from parts


def _read_held_out(task: Task, config: Config) -> list[records.Batch]:
    """Held-out images of both domains, read once."""
    batches: list[records.Batch] = []
    for is_real in (True, False):
        pairs = task.held_out_pairs(real=is_real)
        batches += evaluation_batches(
            pairs, size=config.fit.size, batch_size=config.fit.batch_size, is_real=is_real
        )
    return batches


def _warn_of_collapse(log: run_record.MetricLog, reporter: reporting.Reporter) -> None:
    """Say that the weights leave few pixels to learn from, and what to do about it."""
    ess = log.recent_mean("ess")
    if ess is not None and ess < COLLAPSED_ESS:
        reporter.warn(
            f"The weights collapse on few pixels: effective sample size {ess:.2f} of 1. Raise "
            "min_ess in [method], or look at what scores high with 'curate score'."
        )
