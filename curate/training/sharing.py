"""What trainings with the same images and seed share: what their method has prepared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from curate import methods
from curate.config import parse
from curate.files import checkpoint
from curate.seeding import stable_seed
from curate.training import run_record

if TYPE_CHECKING:
    from pathlib import Path

    from curate.config import Config
    from curate.reporting import Reporter
    from curate.training.task import Task
    from curate.training.trainer import Trainer


OF_THE_TRAINING: Final = (
    *("learning_rate", "weight_decay", "synthetic_weight", "warmup", "start_from"),
    *("evaluate_every", "preparation_seed"),
)
"""Keys of [fit] that no preparation depends on."""


def preparation_path(folder: Path, config: Config, task: Task) -> Path:
    """Name the file of what the method of a training prepares.

    A method and its controls prepare the same, and so do trainings of other seeds with the same
    `preparation_seed`, and those that differ in `OF_THE_TRAINING` alone. Whatever else is set, or
    is in the data, counts.
    """
    settings = config.model_dump(mode="json", exclude={"score", "test", "arm", "method"})
    for name in (*run_record.FREE_TO_CHANGE, *OF_THE_TRAINING):
        settings["fit"].pop(name)
    method = config.fit.method.partition(":")[0]
    kind = methods.find_method(method)
    own = parse(kind.Settings, config.method_settings, where=f"[method] of {method}")
    settings["method"] = own.model_dump(mode="json")
    settings["fit"] |= {
        "method": method,
        "seed": config.fit.seed_before,
        "steps": kind.steps_before(own, config.fit.steps),
    }
    sources = [run_record.describe_source(source) for source in (*task.real, *task.synthetic)]
    told = [settings, sources, sorted(task.unusable), run_record.package_versions()]
    digest = stable_seed(json.dumps(told, sort_keys=True))
    return folder / f"{run_record.PREPARED_PREFIX}{method}-{digest:016x}.safetensors"


def take_known(kept: Path, runs: Path | None, trainer: Trainer, reporter: Reporter) -> float | None:
    """Take over what was kept in a file, or by a run in a file of this name.

    Parameters
    ----------
    runs : Path or None
        Folder of runs, where these are looked through.

    Returns
    -------
    seconds : float or None
        As of `take_preparation`; None where nothing was kept.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    others = sorted(runs.glob(f"*/{kept.name}")) if runs else []
    found = kept if kept.exists() else next(iter(others), None)
    if found is None:
        return None
    seconds = take_preparation(found, trainer)
    if found != kept:
        reporter.note(f"What {trainer.settings.method} prepares is that of {found.parent}.")
    return seconds


def keep_preparation(path: Path, trainer: Trainer, seconds: float) -> None:
    """Keep what a method has prepared, and how long that took.

    Raises
    ------
    StoreError
        If the disk does not let us.
    """
    tensors, structure = checkpoint.pack(trainer.method_state())
    meta: dict[str, Any] = {"structure": structure, "seconds": seconds}
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save_state(path, tensors, meta)


def take_preparation(path: Path, trainer: Trainer) -> float:
    """Take over what was kept; return the seconds that it took.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    tensors, meta = checkpoint.load_state(path)
    trainer.load_method(checkpoint.unpack(tensors, meta["structure"]))
    return float(meta["seconds"])
