"""One training of one arm, from one draw of the real images and one seed."""

from __future__ import annotations

import re
import resource
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from curate import reporting, seeding
from curate.comparing.arms import Stage
from curate.comparing.outcomes import FITS_NAME, SHARED_NAME, WORK_NAME
from curate.comparing.results import Outcome
from curate.comparing.selecting import select_synthetic
from curate.training import networks, run_record
from curate.training.evaluation import evaluate
from curate.training.fit import fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.comparing.arms import Arm
    from curate.config import Config
    from curate.training.fit import FitResult

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.=-]+")
_PEAK_RESET: Final = Path("/proc/self/clear_refs")
_STATUS: Final = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Training:
    """A training to be done.

    Attributes
    ----------
    arm : Arm
    draw, seed : int
    folder : Path
        Of the whole comparison.
    config : Config
        Of the whole comparison: every real image, seed and draw not yet set.
    """

    arm: Arm
    draw: int
    seed: int
    folder: Path
    config: Config

    @property
    def name(self) -> str:
        """Name of its files: ``draw-0.seed-1.joint-real``."""
        return self._name_of(self.arm.name)

    @property
    def work(self) -> Path:
        """Folder of what is only needed until the outcome is known."""
        return self.folder / WORK_NAME / self.name

    @property
    def kept_fit(self) -> Path:
        """Run folder of the arm's method, which other arms of the same draw and seed use, too."""
        return self.folder / FITS_NAME / self._name_of(self.arm.base or self.arm.name)

    @property
    def shared(self) -> Path:
        """Folder of what trainings of the same draw prepare and draw."""
        return self.folder / SHARED_NAME / f"draw-{self.draw}"

    def forget_drawn(self) -> None:
        """Remove the images that trainings of this draw and seed shared; there are no more."""
        for path in self.shared.glob(f"*-{self.seed}.drawn"):
            path.unlink(missing_ok=True)

    @property
    def makes(self) -> frozenset[str]:
        """Name what it makes for other trainings, unless one of them has made it already."""
        if self.arm.base is None:
            return frozenset()
        made = {f"preparation draw-{self.draw}.{self.arm.base}"}
        if self.arm.is_base or self.arm.selection:
            made.add(f"fit {self.kept_fit.name}")
        return frozenset(made)

    def _name_of(self, what: str) -> str:
        return f"draw-{self.draw}.seed-{self.seed}.{_UNSAFE.sub('_', what)}"


class Warnings(reporting.SilentReporter):
    """Keeps warnings, each once; passes all on to another reporter, if it is given one."""

    def __init__(self, other: reporting.Reporter | None = None) -> None:
        self.seen: dict[str, None] = {}
        other = other or reporting.SilentReporter()
        self.start, self.advance = other.start, other.advance  # type: ignore[method-assign]
        self.note, self.finish = other.note, other.finish  # type: ignore[method-assign]
        self._warn = other.warn

    def warn(self, message: str) -> None:
        """Keep the warning."""
        self.seen[message] = None
        self._warn(message)


def run_training(training: Training) -> Outcome:
    """Train and evaluate; what an earlier, killed call finished is not done again."""
    training.work.mkdir(parents=True, exist_ok=True)
    forget_peak_memory()
    warnings, arm, share, seconds = Warnings(), training.arm, 1.0, 0.0
    config = prepare_arm(training)
    if arm.selection:
        chosen = _train(training, config, Stage(method=arm.selection.method), warnings)
        started = time.monotonic()
        config, share = select_synthetic(
            config,
            arm.selection,
            run=chosen.run,
            work=training.work,
            seed=seeding.stable_seed(training.draw, training.seed),
            reporter=warnings,
        )
        seconds += chosen.trained_seconds + time.monotonic() - started
    result = None
    for number, stage in enumerate(arm.stages):
        previous = result.run if result else None
        # of what a selection has left of a set, there is nothing to say
        reporter = reporting.SilentReporter() if arm.selection else warnings
        result = _train(training, config, stage, reporter, number, previous)
        seconds += result.trained_seconds
        share *= _used(stage, result.run)
    assert result is not None, "an arm has at least one stage"
    outcome = Outcome(
        arm=arm.name,
        draw=training.draw,
        seed=training.seed,
        steps=sum(stage_steps(arm.stages, config.fit.steps)),
        confusion=_confusion(result.run, training.config, warnings),
        share_used=share,
        seconds=round(seconds, 1),
        peak_mib=peak_memory_mib(),
        warnings=tuple(warnings.seen),
    )
    shutil.rmtree(training.work)
    return outcome


def _train(
    training: Training,
    config: Config,
    stage: Stage,
    reporter: reporting.Reporter,
    number: int | None = None,
    previous: Path | None = None,
) -> FitResult:
    """Train one stage; without a number, the fit that an arm selects by.

    The fit of a method is kept, and not repeated by the arms that select by it.
    """
    stages, arm = training.arm.stages, training.arm
    steps = config.fit.steps if number is None else stage_steps(stages, config.fit.steps)[number]
    is_kept = number is None or arm.is_base
    run = training.kept_fit if is_kept else training.work / f"stage-{number}"
    run.parent.mkdir(parents=True, exist_ok=True)
    if run.exists() and run_record.read_run(run).status == "finished":
        reporter = reporting.SilentReporter()  # it has been told of
    staged = configure(config, stage, steps, previous)
    return fit(staged, out=run, resume=run.exists(), shared=training.shared, reporter=reporter)


def check_arm(training: Training) -> None:
    """Refuse an arm that could not be trained, before any other is.

    Raises
    ------
    ConfigError
        If its method, or a setting of that, is unknown.
    """
    config, arm = prepare_arm(training), training.arm
    chosen = [Stage(method=arm.selection.method)] if arm.selection else []
    for stage in (*chosen, *arm.stages):
        networks.check_method(configure(config, stage, config.fit.steps, None))


def prepare_arm(training: Training) -> Config:
    """Return the settings of a training, those of its stages still the same."""
    seeds = {"seed": training.seed, "preparation_seed": training.draw}  # prepared once a draw
    config = training.config.with_fit(draw=training.draw, **seeds)
    config = config.model_copy(update={"root": training.folder, "test": (), "arm": ()})
    if training.arm.own:
        own = training.arm.own
        changed = {name: value for name in ("real", "synthetic") if (value := getattr(own, name))}
        config = config.model_copy(update=changed | {"method": own.settings})
        return config.with_fit(method=own.method, **own.fit)
    return config


def configure(config: Config, stage: Stage, steps: int, previous: Path | None) -> Config:
    """Return the settings of one stage."""
    settings = config.fit
    method = stage.method if stage.draws == "both" else "uniform"
    changes: dict[str, object] = {"steps": steps, "method": method, "start_from": previous}
    if stage.synthetic_weight is not None:
        changes["synthetic_weight"] = stage.synthetic_weight
    update: dict[str, object] = {}
    if stage.draws != "both":
        update["synthetic"] = ()
    if stage.draws == "half":
        changes["batch_size"] = settings.batch_size // 2
    if stage.draws == "synthetic":
        update["real"], changes["num_real"] = config.synthetic, None
    if method.partition(":")[0] != settings.method.partition(":")[0]:
        update["method"] = config.method_tables
    return config.model_copy(update=update | {"fit": settings.model_copy(update=changes)})


def stage_steps(stages: tuple[Stage, ...], steps: int) -> list[int]:
    """Share the steps of an arm among its stages: together exactly `steps`."""
    ends = np.cumsum([stage.share for stage in stages])
    edges = [0, *(round(steps * float(end)) for end in ends[:-1]), steps]
    return [int(count) for count in np.diff(edges)]


def _used(stage: Stage, run: Path) -> float:
    """Average the effective sample size of a stage's weights; 0 where it saw no synthetic image."""
    if stage.draws in ("real", "half"):
        return 1.0 if stage.share < 1 else 0.0
    sizes = run_record.read_metric(run, "ess")
    return 1.0 if sizes is None else float(sizes.fillna(1.0).mean())  # 1 in the warm-up


def _confusion(run: Path, config: Config, reporter: reporting.Reporter) -> NDArray[np.int64]:
    """Count the pixels of all test sets."""
    found = []
    for test in config.test:
        measured = evaluate(
            run,
            test.path,
            reading=test,
            device=config.fit.device,
            trust_run=True,  # it was made here
        )
        found.append(measured.confusion)
        if measured.failed:
            reporter.warn(f"{measured.failed} images of {test.path} could not be read.")
    return np.asarray(sum(found))


def forget_peak_memory() -> None:
    """Count the largest resident memory anew, where the system can; processes train in turn."""
    with suppress(OSError):
        _PEAK_RESET.write_text("5")  # see proc_pid_clear_refs(5)


def peak_memory_mib() -> float:
    """Return the largest resident memory of this process since it was last forgotten."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())
        if found:
            return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
