"""One training of one arm, from one draw of the real images and one seed."""

from __future__ import annotations

import re
import resource
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.comparing.outcomes import WORK_NAME
from curate.comparing.results import Outcome
from curate.reporting import SilentReporter
from curate.training.evaluation import evaluate
from curate.training.fit import fit
from curate.training.run_record import read_metric

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.comparing.arms import Arm, Stage
    from curate.config import Config

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.=-]+")


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
        return f"draw-{self.draw}.seed-{self.seed}.{_UNSAFE.sub('_', self.arm.name)}"

    @property
    def work(self) -> Path:
        """Folder of what is only needed until the outcome is known."""
        return self.folder / WORK_NAME / self.name


class Warnings(SilentReporter):
    """Keeps warnings, each once."""

    def __init__(self) -> None:
        self.seen: dict[str, None] = {}

    def warn(self, message: str) -> None:
        """Keep the warning."""
        self.seen[message] = None


def run_training(training: Training) -> Outcome:
    """Train and evaluate; what an earlier, killed call finished is not done again."""
    training.work.mkdir(parents=True, exist_ok=True)
    warnings, started = Warnings(), time.monotonic()
    config, share = prepare_arm(training), 1.0
    result = None
    for number, stage in enumerate(training.arm.stages):
        staged = configure(config, training, number, previous=result.run if result else None)
        run = training.work / f"stage-{number}"
        result = fit(staged, out=run, resume=run.exists(), reporter=warnings)
        share *= _used(stage, result.run)
    assert result is not None, "an arm has at least one stage"
    seconds = time.monotonic() - started
    outcome = Outcome(
        arm=training.arm.name,
        draw=training.draw,
        seed=training.seed,
        steps=sum(stage_steps(training.arm.stages, config.fit.steps)),
        confusion=_confusion(result.run, training.config),
        share_used=share,
        seconds=round(seconds, 1),
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        warnings=tuple(warnings.seen),
    )
    shutil.rmtree(training.work)
    return outcome


def prepare_arm(training: Training) -> Config:
    """Return the settings of a training, those of its stages still the same."""
    config = training.config.with_fit(draw=training.draw, seed=training.seed)
    config = config.model_copy(update={"root": training.work, "test": (), "arm": ()})
    if training.arm.own:
        own = training.arm.own
        changed = {name: value for name in ("real", "synthetic") if (value := getattr(own, name))}
        config = config.model_copy(update=changed | {"method": own.settings})
        return config.with_fit(**own.fit)
    return config


def configure(config: Config, training: Training, number: int, previous: Path | None) -> Config:
    """Return the settings of one stage."""
    stages = training.arm.stages
    stage, settings = stages[number], config.fit
    method = stage.method if stage.draws == "both" else "uniform"
    changes: dict[str, object] = {
        "steps": stage_steps(stages, settings.steps)[number],
        "method": method,
        "start_from": previous,
    }
    if stage.synthetic_weight is not None:
        changes["synthetic_weight"] = stage.synthetic_weight
    update: dict[str, object] = {}
    if stage.draws != "both":
        update["synthetic"] = ()
    if stage.draws == "half":
        changes["batch_size"] = settings.batch_size // 2
    if stage.draws == "synthetic":
        update["real"], changes["num_real"] = config.synthetic, None
    if method != settings.method:
        update["method"] = {}
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
    sizes = read_metric(run, "ess")
    return 1.0 if sizes is None else float(sizes.fillna(1.0).mean())  # 1 in the warm-up


def _confusion(run: Path, config: Config) -> NDArray[np.int64]:
    """Count the pixels of all test sets."""
    found = [
        evaluate(
            run,
            test.path,
            layout=test.layout,
            id_map=test.id_map,
            device=config.fit.device,
            config=config,
        )
        for test in config.test
    ]
    return np.asarray(sum(evaluation.confusion for evaluation in found))
