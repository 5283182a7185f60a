"""How long ``curate export-subset`` takes to choose from a score file of a million images.

    python -m tests.benchmarks.selection [--images 1000000] [--rounds 3] [--folder DIR]

Writes tables, and an .h5 file without maps, to a temporary folder; each figure is a whole process.
The targets for a million images: 5 s wall time, 1 GiB peak memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from curate.records import SCORE_NAMES, WEIGHT_NAMES
from curate.scores.assembling import Assembly, assemble
from curate.scores.provenance import Header, parse_provenance
from curate.scores.schema import NO_MEANS, Schema
from curate.scores.targets import resolve_target

NUM_CLASSES = 19
SELECTIONS = {
    "by image": ["--top", "30%"],
    "per class": ["--top", "30%", "--per-class"],
    "pixel budget": ["--pixels", "{pixels}"],
}


def make_columns(count: int) -> dict[str, np.ndarray]:
    """Draw an image table: 19 classes, of which an image shows 60 %."""
    rng = np.random.default_rng(0)
    class_px = rng.integers(1, 50_000, (count, NUM_CLASSES))
    class_px[rng.random((count, NUM_CLASSES)) < 0.4] = 0
    class_score = rng.random((count, NUM_CLASSES))
    class_score[class_px == 0] = np.nan
    ids = [f"images/town{row // 50_000:02d}/frame_{row:08d}" for row in range(count)]
    names = (*SCORE_NAMES, *WEIGHT_NAMES)
    return {name: rng.random(count, np.float32) for name in names} | {
        "id": np.array(ids, object),
        "image_path": np.array([f"{i}.png" for i in ids], object),
        "label_path": np.array([f"labels{i[6:]}.png" for i in ids], object),
        "height": np.full(count, 1052, np.int32),
        "width": np.full(count, 1914, np.int32),
        "status": np.full(count, "ok", object),
        "message": np.full(count, "", object),
        "orientation": np.ones(count, np.int32),
        "valid_px": class_px.sum(axis=1),
        "class_px": class_px,
        "class_score": class_score,
    }


class Made:
    """An image table without regions and maps, as the content of a score file."""

    def __init__(self, images: dict[str, np.ndarray]) -> None:
        self.images = images
        self.region_count = np.zeros(len(images["id"]), np.int64)
        self.means = NO_MEANS


def write_files(folder: Path, count: int) -> int:
    """Write the score file in both shapes; returns its number of valid pixels."""
    columns = make_columns(count)
    provenance = {
        "dataset": {"layout": "folder", "images": count, "fingerprint": "0" * 64},
        "classes": {"name": "made", "names": [f"c{i}" for i in range(NUM_CLASSES)]},
        "levels": ["image"],
        "stride": 4,
    }
    assembly = Assembly(
        content=Made(columns),
        provenance=parse_provenance(provenance, where="here"),
        header=Header(provenance, "/data/of/this/benchmark"),
        schema=Schema(),
    )
    for name in ("scores.h5", "tables.parquet"):
        assemble(assembly, resolve_target(folder / name))
    return int(columns["valid_px"].sum())


def measure(command: list[str]) -> dict[str, Any]:
    """Run a command; return its wall and processor time in s and its peak memory in GiB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    return {
        "s": time.perf_counter() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "GiB": usage.ru_maxrss / 2**20,
    }


def main() -> None:
    """Measure and print one line a selection."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        # In a process of its own: a child's peak memory counts that of its parent when it began.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pixels = pool.apply(write_files, (folder, options.images)) * 3 // 10
        names = [(s, label) for s in ("scores.h5", "tables.parquet") for label in SELECTIONS]
        figures: dict[tuple[str, str], list[dict[str, Any]]] = {key: [] for key in names}
        for _ in range(options.rounds):
            for scores, label in names:
                flags = [flag.format(pixels=pixels) for flag in SELECTIONS[label]]
                command = [
                    sys.executable, "-m", "curate", "export-subset", "--scores",
                    str(folder / scores), *flags, "--media", "none", "--out",
                    str(folder / "subset"), "--overwrite",
                ]  # fmt: skip
                figures[scores, label].append(measure(command))
        for (scores, label), rounds in figures.items():
            seconds = sorted(figure["s"] for figure in rounds)
            cpu = statistics.median(figure["cpu"] for figure in rounds)
            peak = max(figure["GiB"] for figure in rounds)
            print(
                f"{options.images:,} images, {scores:<14} {label:<12} "
                f"{statistics.median(seconds):.2f} s ({seconds[0]:.2f} to {seconds[-1]:.2f}), "
                f"processor {cpu:.2f} s, peak {peak:.2f} GiB"
            )


if __name__ == "__main__":
    main()
