"""What limits `score`: its rate beside reading alone and computing alone, and how it grows.

    python -m tests.benchmarks.scoring --out WORK [--device cpu|cuda] [--rounds 5]
        [--method hierarchical|streams] [--cpu-time]
        [--sizes 180x240,512x1024] [--suffixes png,jpg] [--growth 500,5000]

Everything is drawn first: scenes of the street world of the demo, linked under as many names as
are needed, and a short training. Then, for each size and file type, four take turns:

- *score*: `curate.score` as a whole, opening and finishing the file included;
- *read*: decoding images and labels, with the same workers and batches, and nothing else;
- *compute*: the networks on batches that lie in memory, with the same threads, and nothing else;
- *plain*: reading, and a forward pass of the segmenter as it was trained, and nothing else.

The figures are the rate of *score* over the smaller of *read* and *compute*, and over *plain*. On a
machine that others use, ``--cpu-time`` counts the time of the processor. ``--growth`` runs the
command line on data sets of two sizes, and compares peak memory and time per image.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import torch
from PIL import Image
from torch.utils.data import Dataset

from curate.cli.process import keep_memory
from curate.config import Config, DatasetConfig
from curate.data.augmentation import fit_to_size
from curate.data.dataset import DataSource, open_dataset
from curate.data.pairs import read_pair
from curate.data.workers import load_ahead
from curate.demonstration.world import CLASS_NAMES, draw_world
from curate.models.devices import choose_device
from curate.scoring.score import score
from curate.scoring.scored_image import CellPlan, prepare
from curate.scoring.scorer import Scorer, chunks, computing_threads, map_ahead
from curate.training.fit import fit
from curate.training.loaded_run import load_run
from curate.training.networks import to_unit_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from curate.records import Pair

NUM_SCENES = 24


class Decoder(Dataset):
    """Reads the images and labels of a batch, and forgets them."""

    def __init__(self, source: DataSource) -> None:
        self.source = source

    def __getitem__(self, pairs: Iterable[Pair]) -> int:
        return sum(read_pair(self.source, pair).label_map.numel() > 0 for pair in pairs)


def draw_scenes(folder: Path, size: tuple[int, int], suffix: str) -> Path:
    """Draw a few scenes, as PNG or JPEG files."""
    if not folder.exists():
        num = {"num_real": 2, "num_synthetic": NUM_SCENES, "num_test": 0}
        draw_world(folder, **num, size=size, seed=0)
        for path in (folder / "synthetic/images").iterdir() if suffix == "jpg" else ():
            Image.open(path).save(path.with_suffix(".jpg"), quality=90)
            path.unlink()
    return folder / "synthetic"


def multiply(scenes: Path, folder: Path, count: int) -> Path:
    """Link the scenes under `count` names."""
    for name in ("images", "labels"):
        files = sorted((scenes / name).iterdir())
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            file = files[index % len(files)]
            target = folder / name / f"{index:06d}{file.suffix}"
            if not target.exists():
                os.link(file, target)
    return folder


SETTINGS = {"streams": {"reference_steps": 60, "epochs": 4, "injections": 1}}
"""Of methods whose preparation would take long."""


def train(
    folder: Path,
    size: tuple[int, int],
    device: str,
    method: str = "hierarchical",
    steps: int = 60,
) -> tuple[Config, Path]:
    """Train for a moment on small scenes; the networks then take images of any size."""
    if not (folder / "world").exists():
        draw_world(folder / "world", num_real=24, num_synthetic=48, num_test=0, seed=1)
    config = Config(
        root=folder,
        classes=CLASS_NAMES,
        real=(DatasetConfig(path=folder / "world/real"),),
        synthetic=(DatasetConfig(path=folder / "world/synthetic"),),
        method=SETTINGS.get(method, {}),
    ).with_fit(method=method, size=(96, 128), steps=steps, evaluate_every=20, device=device)
    run = fit(config).run
    path = run / "config.json"
    settings = json.loads(path.read_text())
    settings["fit"]["size"] = size
    path.write_text(json.dumps(settings))
    return config, run


clock: Callable[[], float] = time.perf_counter


def rate_of(count: int, task: Callable[[], None]) -> float:
    """Images per second."""
    start = clock()
    task()
    return count / (clock() - start)


def read_all(source: DataSource, scorer: Scorer, workers: int) -> None:
    """Decode everything with the workers and batches of `score`."""
    groups = chunks(source.pairs, scorer.batch_size)
    decoder = Decoder(source)
    if workers:
        for _ in load_ahead(decoder, groups, workers=workers):
            pass
        return
    with computing_threads(scorer.device) as (pool, num_threads):
        for _ in map_ahead(pool, decoder.__getitem__, groups, num_threads + 1):
            pass


def compute_all(scorer: Scorer, batch: list, count: int) -> None:
    """Run the networks as often as `count` images need."""
    with computing_threads(scorer.device) as (pool, num_threads):
        batches = (batch for _ in range(-(-count // scorer.batch_size)))
        for _ in map_ahead(pool, scorer.compute, batches, num_threads + 1):
            pass


@torch.no_grad()
def forward_all(source: DataSource, scorer: Scorer, plain: torch.nn.Module) -> None:
    """Read everything, and run a segmenter over it."""
    own, size = threading.local(), scorer.plan.size

    def predict(group: list[Pair]) -> None:
        if not hasattr(own, "network"):
            shared = {id(t): t for t in (*plain.parameters(), *plain.buffers())}
            own.network = copy.deepcopy(plain, shared)
        read = [read_pair(source, pair) for pair in group]
        images = [fit_to_size(each.image, each.label_map, size)[0] for each in read]
        with torch.no_grad(), scorer.device.autocast():
            own.network(to_unit_range(torch.stack(images).to(scorer.device.device)))

    with computing_threads(scorer.device) as (pool, num_threads):
        groups = chunks(source.pairs, scorer.batch_size)
        for _ in map_ahead(pool, predict, groups, num_threads + 1):
            pass


def compare(options: argparse.Namespace, size: tuple[int, int], suffix: str) -> None:
    """Let the three take turns on one data set, and print a line."""
    name = f"{size[0]}x{size[1]}"
    scenes = draw_scenes(options.out / f"scenes-{name}-{suffix}", size, suffix)
    count = options.images or round(8e7 / (size[0] * size[1]) / 8) * 8
    data = multiply(scenes, options.out / f"data-{name}-{suffix}-{count}", count)
    config, run = train(
        options.out / f"run-{name}-{options.method}", size, options.device, options.method
    )
    loaded = load_run(run)
    plain = copy.deepcopy(loaded.networks.segmenter).eval()
    device = choose_device(options.device, "auto")
    plan = CellPlan(size, config.score)
    plain.to(device.device)
    scorer = Scorer(loaded, plan, device, batch_size=config.score.batch_size)
    source = open_dataset(data, layout="auto", id_map=None, classes=loaded.classes, key="new")
    workers = options.workers if options.workers is not None else 8 * (device.device.type == "cuda")
    batch = [prepare(source, pair, plan) for pair in source.pairs[: scorer.batch_size]]
    out, shares, ratios, rates, of_plain = options.out / "scores.h5", [], [], [], []
    last = None

    def score_all() -> None:
        nonlocal last
        last = score(
            data, out, config=config, run=run, workers=workers, device=options.device,
            overwrite=True,
        )  # fmt: skip

    compute_all(scorer, batch, 4 * scorer.batch_size)
    for _ in range(options.rounds):
        rate = (
            rate_of(count, score_all),
            rate_of(count, lambda: read_all(source, scorer, workers)),
            rate_of(count, lambda: compute_all(scorer, batch, count)),
            rate_of(count, lambda: forward_all(source, scorer, plain)),
        )
        rates.append(rate)
        ratios.append(rate[0] / min(rate[1:3]))
        of_plain.append(rate[0] / rate[3])
        shares.append(last.writing_seconds / last.seconds)
    medians = [statistics.median(column) for column in zip(*rates, strict=True)]
    method = loaded.networks.method
    told = (
        f"active streams {', '.join(method.fusion.active_streams)}"
        if method.streams
        else f"inactive levels {[bool(flag) for flag in method.is_inactive]}"
    )
    print(
        f"{name} {suffix}, {count} images, {workers} readers: score {medians[0]:.1f}, read "
        f"{medians[1]:.1f}, compute {medians[2]:.1f} images/s; score / smaller = "
        f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}); plain forward "
        f"{medians[3]:.1f} images/s, score / plain = {statistics.median(of_plain):.3f} "
        f"({min(of_plain):.3f} to {max(of_plain):.3f}); writing {statistics.median(shares):.1%} of "
        f"the time; {told}; "
        f"pixel maps take {bytes_per_pixel(out):.4f} bytes per pixel",
        flush=True,
    )


def bytes_per_pixel(path: Path) -> float:
    """Bytes of all packed pixel maps over the pixels of all images."""
    sizes = []
    with h5py.File(path) as file:
        file["pixel_scores"].visititems(
            lambda _, node: sizes.append(
                node.id.get_storage_size() if isinstance(node, h5py.Dataset) else 0
            )
        )
        return sum(sizes) / (file["images/height"][:].astype(int) @ file["images/width"][:])


def grow(options: argparse.Namespace) -> None:
    """Run the command line on a small and a large data set, in turns, and print a line."""
    size, counts = (180, 240), [int(count) for count in options.growth.split(",")]
    _, run = train(options.out / "run-180x240", size, options.device)
    scenes = draw_scenes(options.out / "scenes-180x240-png", size, "png")
    data = {n: multiply(scenes, options.out / f"data-180x240-png-{n}", n) for n in counts}
    figures: dict[int, list[tuple[float, float, float]]] = {n: [] for n in counts}
    for _ in range(options.growth_rounds):
        for count in counts:
            command = [sys.executable, "-m", "curate", "score", data[count], "--run", run, "--json"]
            command += ["--out", options.out / "growth.h5", "--overwrite"]
            command += ["--device", options.device, "--config", options.out / "empty.toml"]
            (options.out / "empty.toml").write_text("")
            process = subprocess.Popen(
                list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            result = json.loads(process.stdout.read())
            _, status, usage = os.wait4(process.pid, 0)
            assert status == 0
            share = result["writing_seconds"] / result["seconds"]
            figures[count].append((usage.ru_maxrss / 1024, result["seconds"] / count, share))
    for count in counts:
        memory, seconds, share = map(statistics.median, zip(*figures[count], strict=True))
        print(
            f"{count} images: peak {memory:.0f} MiB, {seconds * 1e3:.2f} ms an image, "
            f"writing {share:.1%}"
        )
    small, large = (figures[n] for n in counts)
    pairs = list(zip(small, large, strict=True))
    for index, what in ((0, "peak memory"), (1, "time per image")):
        ratios = [b[index] / a[index] for a, b in pairs]
        print(
            f"{what} at {counts[1]} / at {counts[0]} = {statistics.median(ratios):.3f} "
            f"({min(ratios):.3f} to {max(ratios):.3f})",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--method", choices=("hierarchical", "streams"), default="hierarchical")
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--sizes", default="180x240,512x1024")
    parser.add_argument("--suffixes", default="png,jpg")
    parser.add_argument("--growth", default="")
    parser.add_argument("--growth-rounds", type=int, default=3)
    options = parser.parse_args()
    options.out = options.out.resolve()
    keep_memory()  # as the command does
    if options.cpu_time:
        globals()["clock"] = time.process_time
    print(f"torch {torch.__version__}, {options.device}, {torch.get_num_threads()} threads")
    for text in filter(None, options.sizes.split(",")):
        height, width = map(int, text.split("x"))
        for suffix in options.suffixes.split(","):
            compare(options, (height, width), suffix)
    if options.growth:
        grow(options)


if __name__ == "__main__":
    main()
