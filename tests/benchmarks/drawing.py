"""What drawing costs beside the training, alone and where other trainings have drawn before.

    python -m tests.benchmarks.drawing DATA [--size 120x160] [--steps 60]

DATA as for `real_data`. Seconds of CPU time, not of the clock, for 100 steps of 8 images: 4 of
CamVid train, 4 of CARLA, in one thread and process, decoded images kept in memory.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from curate.config import Config, DatasetConfig
from curate.data.batches import training_batches
from curate.models.devices import choose_device
from curate.reporting import SilentReporter
from curate.training.networks import build_networks
from curate.training.task import open_task
from curate.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT_BYTES = 2**30
NUM_STEPS = 8


def per_100(count: int, work: Callable[[], object]) -> str:
    """CPU seconds of some work on `count` steps, for 100."""
    start = time.process_time()
    work()
    return f"{(time.process_time() - start) * 100 / count:.2f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--size", default="120x160")
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    work = Path(tempfile.mkdtemp())
    sets = {
        "real": (DatasetConfig(path=options.data / "camvid/train", id_map="camvid11"),),
        "synthetic": (DatasetConfig(path=options.data / "carla", id_map="carla-legacy"),),
    }
    size = tuple(map(int, options.size.split("x")))
    config = Config(root=work, classes="camvid11", **sets).with_fit(
        size=size, method="uniform", num_real=20, device="cpu"
    )
    task = open_task(config, num_folds=1, reporter=SilentReporter())

    def draw(**how: object) -> list[object]:
        return list(
            training_batches(
                task.real, task.synthetic, size=size, batch_size=8, seed=0, first_step=0,
                num_steps=options.steps, augment=config.augment, workers=0, pin_memory=False,
                exclude=task.unusable, keep_bytes=KEPT_BYTES, **how,
            )
        )  # fmt: skip

    for what in ({}, {"with_uncropped": True}):
        shared = {"shared": work / f"shared-{len(what)}"}
        for name, how in (("alone", {}), ("first", shared), ("later", shared)):
            spent = per_100(options.steps, partial(draw, **what, **how))
            print(f"drawing, {name} {' '.join(what)}: {spent} s")
    networks = build_networks(
        config, num_classes=11, real_class_px=task.real_class_px.tolist(), splits=task.splits,
        is_restored=False,
    )  # fmt: skip
    trainer = Trainer(
        networks.segmenter, networks.method, stages=(), settings=config.fit,
        device=choose_device("cpu", "float32"),
    )  # fmt: skip
    batches = draw()[: NUM_STEPS + 1]
    trainer.step(0, batches[0])  # allocates
    steps = enumerate(batches[1:], start=1)
    print(f"joint steps: {per_100(NUM_STEPS, lambda: [trainer.step(n, b) for n, b in steps])} s")


if __name__ == "__main__":
    main()
