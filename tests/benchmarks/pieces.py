"""What an image of 1914x1052 costs in each part of `score` and `merge`, on one core.

    python -m tests.benchmarks.pieces --out WORK [--images 8] [--listed 50000]

Seconds of the processor, not of the clock, so that other programs on the machine do not count;
bytes as they lie on the disk. What 10 million images cost follows from these: see README.md.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from curate.data.dataset import open_dataset
from curate.data.pairs import read_pair
from curate.demonstration.world import draw_world
from curate.files.atomic import sha256_file
from curate.models.devices import choose_device
from curate.scores.merge import merge
from curate.scoring.score import score
from curate.scoring.scored_image import CellPlan, prepare
from curate.scoring.scorer import Scorer
from curate.training.loaded_run import load_run
from tests.benchmarks.scoring import train

SIZE = (1052, 1914)
SEEN = (526, 957)
"""Height and width that the networks see."""


def draw(folder, count, suffix):
    """Scenes of the demo's world, enlarged, with as much noise as a renderer leaves."""
    target, rng = folder / suffix, np.random.default_rng(0)
    if target.exists():
        return target
    draw_world(
        folder / "small", num_real=1, num_synthetic=count, num_test=0, size=(263, 479), seed=0
    )
    for name in ("images", "labels"):
        (target / name).mkdir(parents=True)
        for path in sorted((folder / "small/synthetic" / name).iterdir()):
            how = Image.Resampling.BICUBIC if name == "images" else Image.Resampling.NEAREST
            large = Image.open(path).resize(SIZE[::-1], how)
            if name == "images":
                noise = rng.normal(0, 1.5, (*SIZE, 3))
                large = Image.fromarray((np.asarray(large) + noise).clip(0, 255).astype(np.uint8))
            kind = suffix if name == "images" else "png"
            large.save(target / name / f"{path.stem}.{kind}", quality=90)
    return target


def clock(task, count):
    """Processor seconds of one of `count`."""
    started = time.process_time()
    task()
    return (time.process_time() - started) / count


def list_many(folder, count, classes):
    """Seconds of the processor to list a data set of so many images."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            path = folder / name / f"{index:08d}.png"
            if not path.exists():
                path.touch()
    options = {"layout": "folder", "id_map": None, "classes": classes, "key": "k"}
    return clock(lambda: open_dataset(folder, **options), count)


def main():
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--listed", type=int, default=50_000)
    given = parser.parse_args()
    out, count = given.out.resolve(), given.images
    torch.set_num_threads(1)
    config, run = train(out / "run", SEEN, "cpu")
    loaded = load_run(run)
    plan = CellPlan(SEEN, config.score)
    device = choose_device("cpu", "auto")
    scorer = Scorer(loaded, plan, device, batch_size=config.score.batch_size)
    found = {}
    for suffix in ("png", "jpg"):
        data = draw(out, count, suffix)
        options = {"layout": "auto", "id_map": None, "classes": loaded.classes, "key": "new"}
        source = open_dataset(data, **options)
        sizes = [(data / p.image_path).stat().st_size for p in source.pairs]
        found[f"{suffix} MB"] = round(sum(sizes) / count / 1e6, 2)
        read = clock(lambda s=source: [read_pair(s, pair) for pair in s.pairs], count)
        found[f"read and decode {suffix}, label too"] = read
    batch = [prepare(source, pair, plan) for pair in source.pairs]
    prepared = clock(lambda: [prepare(source, pair, plan) for pair in source.pairs], count)
    found["resize, regions, cells"] = prepared - read
    scorer.compute(batch[:1])
    found["networks, pooling, packing (CPU)"] = clock(lambda: scorer.compute(batch), count)
    paths = [out / f"part{number}.h5" for number in (1, 2)]
    for number, path in enumerate(paths, start=1):
        options = {"config": config, "run": run, "overwrite": True, "device": "cpu"}
        result = score(data, path, shard=f"{number}/2", **options)
        found["write, s of the clock"] = result.writing_seconds / max(1, result.scored)
    size = sum(path.stat().st_size for path in paths)
    found["score file, kB"] = round(size / count / 1e3)
    found["checksum"] = clock(lambda: [sha256_file(path) for path in paths], count)
    found["merge"] = clock(lambda: merge(paths, out / "all.h5", overwrite=True), count)
    found["list"] = list_many(out / "listed", given.listed, loaded.classes)
    print(json.dumps({k: round(v, 6) for k, v in found.items()}, indent=1))


if __name__ == "__main__":
    main()
