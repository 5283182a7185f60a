"""A drawn real and synthetic set as large as the files of Cityscapes and GTA5."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import mean

import numpy as np
from PIL import Image

from curate.config import Config, DatasetConfig
from curate.demonstration.world import CLASS_NAMES
from curate.demonstration.world.world import draw_world

DOMAINS = ("real", "synthetic")
ROOT = Path(__file__).parents[3]
GPU_TESTS = ("tests/training/test_fit.py", "tests/training/test_fit_distributed.py")


def draw(check):
    """Draw both sets on all cores; the GPU tests of the repository run beside it."""
    tests = None if check.is_dry else _start_tests(check)
    counts = {"real": check.num_real, "synthetic": check.num_synthetic}
    sizes = {"real": check.real_size, "synthetic": check.synthetic_size}
    bases = {name: max(3, count // 4) for name, count in counts.items()}
    with _workers(check) as pool:
        parts = [
            pool.submit(
                draw_world,
                check.work / f"base-{part}",
                num_real=-(-bases["real"] // check.cores),
                num_synthetic=-(-bases["synthetic"] // check.cores),
                num_test=0,
                size=check.size,
                seed=part,
            )
            for part in range(check.cores)
        ]
        for part in parts:
            part.result()
        written = {}
        for name in DOMAINS:
            found = sorted(check.work.glob(f"base-*/{name}/images/*.png"))
            enlarge = partial(_enlarge, check.work / name, found, sizes[name])
            written[name] = mean(pool.map(enlarge, range(counts[name]))) / 1e6
    check.put("data: MB a file, real / synthetic", [round(written[n], 2) for n in DOMAINS])
    if tests is not None:
        _await_tests(check, tests)


def _workers(check):
    """Return as many processes as there are cores; in a dry run, a thread will do."""
    if check.is_dry:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(check.cores, mp_context=get_context("spawn"))


def _enlarge(folder, bases, size, index):
    """Write one image, enlarged, flipped, with sensor noise, and its label; return its bytes."""
    base = bases[index % len(bases)]
    shape = size[::-1]
    image = Image.open(base).resize(shape, Image.Resampling.BICUBIC)
    label = Image.open(base.parent.parent / "labels" / base.name)
    label = label.resize(shape, Image.Resampling.NEAREST)
    if index // len(bases) % 2:
        flip = Image.Transpose.FLIP_LEFT_RIGHT
        image, label = image.transpose(flip), label.transpose(flip)
    noise = np.random.default_rng(index).normal(0, 1.0, (*size, 3))
    noisy = (np.asarray(image) + noise).clip(0, 255).round().astype(np.uint8)
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    path = folder / "images" / f"{index:05d}.png"
    Image.fromarray(noisy).save(path, compress_level=5)
    label.save(folder / "labels" / path.name)
    return path.stat().st_size


def _start_tests(check):
    """Start the tests that need a GPU."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider", "-rs"]
    with (check.out / "pytest.txt").open("w") as file:
        return subprocess.Popen(
            [*command, *GPU_TESTS], cwd=ROOT, stdout=file, stderr=subprocess.STDOUT
        )


def _await_tests(check, tests):
    """Wait for them, and say how they ended."""
    try:
        tests.wait(timeout=max(5, min(90, check.left)))
    except subprocess.TimeoutExpired:
        tests.kill()
        tests.wait()
    lines = (check.out / "pytest.txt").read_text().strip().splitlines()
    check.put("pytest -m gpu", f"exit {tests.returncode}: {lines[-1] if lines else ''}")
    if tests.returncode:
        print("\n".join(lines[-40:]), flush=True)


def make_config(check, method, settings=None, **fit):
    """Return a configuration for the drawn sets."""
    config = Config(
        root=check.work,
        classes=CLASS_NAMES,
        real=(DatasetConfig(path=check.work / "real"),),
        synthetic=(DatasetConfig(path=check.work / "synthetic"),),
        method=check.settings(method) | (settings or {}),
    )
    own = {"method": method, "size": check.size, "batch_size": 8, "device": check.device}
    return config.with_fit(**(own | check.fit | fit))
