"""What trainings with the same images and seed share: what their method has prepared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curate.files import checkpoint
from curate.seeding import stable_seed
from curate.training import run_record

if TYPE_CHECKING:
    from pathlib import Path

    from curate.config import Config
    from curate.training.task import Task
    from curate.training.trainer import Trainer


def preparation_path(folder: Path, config: Config, task: Task) -> Path:
    """Name the file of what the method of a training prepares.

    A method and its controls prepare the same, and so do trainings of other seeds with the same
    `preparation_seed`. Whatever else is set, or is in the data, counts.
    """
    settings = config.model_dump(mode="json", exclude={"fit": set(run_record.FREE_TO_CHANGE)})
    method = config.fit.method.partition(":")[0]
    settings["fit"] |= {"method": method, "seed": config.fit.seed_before}
    settings["fit"].pop("preparation_seed")
    sources = [run_record.describe_source(source) for source in (*task.real, *task.synthetic)]
    told = [settings, sources, sorted(task.unusable), run_record.package_versions()]
    digest = stable_seed(json.dumps(told, sort_keys=True))
    return folder / f"prepared-{method}-{digest:016x}.safetensors"


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
