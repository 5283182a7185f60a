"""What a method costs: a joint step with its weights against a joint `uniform` one.

    python -m tests.benchmarks.step_cost [--device cpu|cuda] [--steps 20] [--rounds 5]

Both trainers take turns on the same batches in one process; the figure is the median over the
rounds of the ratio of their times.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from curate.config import Config
from curate.methods import Split
from curate.models.devices import choose_device
from curate.records import Batch
from curate.training.networks import build_networks
from curate.training.trainer import Trainer

NUM_CLASSES = 11
METHODS = {
    "hierarchical": ("hierarchical", {"inputs": ["predictions"]}),
    "hierarchical, more inputs": ("hierarchical", {"inputs": ["predictions", "label", "stride4"]}),
    "confidence": ("confidence", {}),
}
"""By the name of the line: method, and its settings."""


def make_trainer(method: str, options: argparse.Namespace, settings: dict[str, object]) -> Trainer:
    """Build a trainer that is past its warm-up."""
    config = Config(method=settings).with_fit(
        method=method,
        size=(options.height, options.width),
        batch_size=options.batch_size,
        device=options.device,
        warmup=0.0,
        steps=10_000,
    )
    keys = batch_keys(options.batch_size)
    networks = build_networks(
        config,
        num_classes=NUM_CLASSES,
        real_class_px=[100_000] * NUM_CLASSES,
        splits={key: Split(held_out=i % 4 == 0, fold=i % 2) for i, key in enumerate(keys)},
        is_restored=True,
    )
    return Trainer(
        networks.segmenter,
        networks.method,
        stages=networks.stages,
        settings=config.fit,
        device=choose_device(options.device, "auto"),
    )


def batch_keys(batch_size: int) -> tuple[str, ...]:
    """Half real and half synthetic keys."""
    half = batch_size // 2
    return tuple([f"r0:{i}" for i in range(half)] + [f"s0:{i}" for i in range(half)])


def make_batch(options: argparse.Namespace, seed: int) -> Batch:
    """Draw a random batch of the wanted size."""
    generator = torch.Generator().manual_seed(seed)
    shape = (options.batch_size, options.height, options.width)
    return Batch(
        images=torch.randint(0, 256, (shape[0], 3, *shape[1:]), generator=generator).byte(),
        label_map=torch.randint(0, NUM_CLASSES, shape, generator=generator).byte(),
        is_real=torch.arange(options.batch_size) < options.batch_size // 2,
        keys=batch_keys(options.batch_size),
    )


def time_steps(trainer: Trainer, batches: list[Batch], first: int) -> float:
    """Seconds for one step per batch."""
    start = time.perf_counter()
    for number, batch in enumerate(batches, start=first):
        trainer.step(number, batch)
    if trainer.device.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print one line per setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--height", type=int, default=180)
    parser.add_argument("--width", type=int, default=240)
    options = parser.parse_args()
    batches = [make_batch(options, seed) for seed in range(options.steps)]
    print(f"torch {torch.__version__}, {options.device}, {torch.get_num_threads()} threads")
    for line, (method, settings) in METHODS.items():
        trainers = (make_trainer("uniform", options, {}), make_trainer(method, options, settings))
        for trainer in trainers:
            time_steps(trainer, batches[:3], 0)
        ratios, uniform_times = [], []
        for round_number in range(options.rounds):
            first = round_number * options.steps
            plain, weighted = (time_steps(trainer, batches, first) for trainer in trainers)
            ratios.append(weighted / plain)
            uniform_times.append(plain / options.steps)
        print(
            f"{line}: uniform {statistics.median(uniform_times) * 1e3:.0f} ms a step; its own / "
            f"uniform = {statistics.median(ratios):.3f} (min {min(ratios):.3f}, max "
            f"{max(ratios):.3f})"
        )


if __name__ == "__main__":
    main()
