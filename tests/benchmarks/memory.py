"""Peak memory of `fit` and `score` with streams at a large size, beside `fit` with uniform weights.

    python -m tests.benchmarks.memory --out WORK [--size 1024x2048]

The command line runs on a few drawn images, enlarged to the size, with steps of two images; the
features that more images would add follow by arithmetic. Peak memory is that of each process.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

from curate.demonstration.world import CLASS_NAMES, draw_world
from curate.grid import grid_size
from curate.methods.streams.streams import MAX_INJECTED_CELLS
from curate.training.preparation import most_images

NUM_REAL, NUM_SYNTHETIC, NUM_CORRUPTIONS = 4, 4, 1
NUM_FEATURES = 80
"""Channels of the default encoder's first stages."""


def run(folder: Path, *arguments: object) -> float:
    """Peak memory of a command, in MiB."""
    command = [sys.executable, "-m", "curate", *map(str, arguments)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return usage.ru_maxrss / 1024


def write_config(folder: Path, method: str, size: tuple[int, int]) -> Path:
    """Write a configuration of a training of one step."""
    own = {"streams": 'folds = 2\nepochs = 1\ninjections = 1\ncorruptions = ["style"]\n'}
    path = folder / f"{method}.toml"
    path.write_text(
        f"classes = {json.dumps(list(CLASS_NAMES))}\n"
        'real = [{ path = "world/real" }]\nsynthetic = [{ path = "world/synthetic" }]\n'
        f'[fit]\nmethod = "{method}"\nsize = {list(size)}\nsteps = 1\nbatch_size = 2\n'
        f"[method]\n{own.get(method, '')}"
    )
    return path


def features_mib(size: tuple[int, int], num_real: int, num_synthetic: int, injected: int) -> float:
    """Features of images of both domains, of real ones and so many corrupted, in MiB."""
    cells = math.prod(grid_size(*size))
    each = cells * (2 * NUM_FEATURES + 2 * len(CLASS_NAMES) + 1)
    return each * (2 * num_real + num_synthetic + injected) / 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", default="1024x2048")
    options = parser.parse_args()
    folder = options.out.resolve()
    height, width = map(int, options.size.split("x"))
    size = height, width
    if not (folder / "world").exists():
        counts = {"num_real": NUM_REAL, "num_synthetic": NUM_SYNTHETIC, "num_test": 0}
        draw_world(folder / "world", **counts, seed=0)
    peaks = {}
    for method in ("uniform", "streams"):
        config = write_config(folder, method, size)
        arguments = ("--config", config, "--out", folder / f"run-{method}", "--overwrite")
        peaks[f"fit {method}"] = run(folder, "fit", *arguments)
        print(f"fit {method}: {peaks[f'fit {method}']:.0f} MiB", flush=True)
    arguments = ("--run", folder / "run-streams", "--out", "scores.h5", "--overwrite")
    peaks["score streams"] = run(folder, "score", "world/synthetic", *arguments)
    real, synthetic = most_images(size)
    cells = math.prod(grid_size(*size))
    kept = features_mib(size, NUM_REAL, NUM_SYNTHETIC, 2 * NUM_REAL * NUM_CORRUPTIONS)
    wanted = features_mib(size, real, synthetic, MAX_INJECTED_CELLS // cells + real)
    uniform = peaks["fit uniform"]
    print(f"score streams: {peaks['score streams']:.0f} MiB")
    print(f"features of these images {kept:.0f} MiB, of {real} and {synthetic} {wanted:.0f} MiB")
    full = peaks["fit streams"] - kept + wanted
    print(f"fit streams with as many, at most: {full:.0f} MiB, {full - uniform:+.0f} over uniform")


if __name__ == "__main__":
    main()
