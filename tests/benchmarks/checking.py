"""What a look at a data set costs: beside reading alone, and a second time.

    python -m tests.benchmarks.checking --out WORK [--sizes 360x480,1052x1914]
        [--suffixes png,jpg] [--images 80] [--rounds 5] [--near 25000]

Scenes of the street world of the demo are drawn first. Then, for each size and file type, these
take turns in one process, with the same number of threads:

- *read*: decoding images and labels and mapping the ids, as every reader of pairs does;
- *check*: a deep look (what `curate check` does) with nothing known, and the judgement;
- *light*: the look that `fit` and `score` take;
- *again*: a deep look at the same set, known by now.

The figure is the rate of *check* over that of *read* in the same round, and the same of their CPU
times, which others on the machine change less; the target is .9. --near times the search for
near-equal images among so many random hashes.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from curate.checking import judgement, likeness
from curate.checking.examination import examine
from curate.checking.survey import num_threads, survey
from curate.data.dataset import DataSource, open_dataset
from curate.data.pairs import read_pair
from curate.demonstration.world import CLASS_NAMES
from curate.records import ClassSet
from curate.reporting import SilentReporter
from tests.benchmarks.scoring import draw_scenes

if TYPE_CHECKING:
    from collections.abc import Callable


def read_all(source: DataSource) -> None:
    """Read every pair."""
    with ThreadPoolExecutor(num_threads()) as pool:
        for _ in pool.map(lambda pair: read_pair(source, pair) and None, source.pairs):
            pass


def look(source: DataSource, project: Path, *, is_deep: bool) -> None:
    """Look at a set, and judge it."""
    seen = survey(source, project=project, reporter=SilentReporter(), is_deep=is_deep)
    judgement.judge([seen])


def repeat(scenes: Path, folder: Path, count: int) -> Path:
    """Copy the scenes under `count` names."""
    if folder.exists():
        return folder
    for name in ("images", "labels"):
        files = sorted((scenes / name).iterdir())
        (folder / name).mkdir(parents=True)
        for index in range(count):
            file = files[index % len(files)]
            shutil.copy(file, folder / name / f"{index:06d}{file.suffix}")
    return folder


def measure(options: argparse.Namespace, size: tuple[int, int], suffix: str) -> None:
    """Let all take turns on one data set, and print a line."""
    name = f"{size[0]}x{size[1]}-{suffix}"
    scenes = draw_scenes(options.out / f"scenes-{name}", size, suffix)
    root = repeat(scenes, options.out / f"checked-{name}-{options.images}", options.images)
    source = open_dataset(root, classes=ClassSet("custom", CLASS_NAMES))
    project = options.out / "project"
    rates: dict[str, list[float]] = {"read": [], "check": [], "light": [], "again": []}
    cpu_s: dict[str, list[float]] = {task: [] for task in rates}
    examine(source, source.pairs[0], is_deep=True)  # imports what it needs
    for number in range(options.rounds):
        tasks: dict[str, Callable[[], None]] = {
            "read": lambda: read_all(source),
            "light": lambda: look(source, fresh(project), is_deep=False),
            "check": lambda: look(source, fresh(project), is_deep=True),
        }
        order = list(tasks) if number % 2 else list(reversed(tasks))
        for task in [*order, "again"]:
            if task == "again":
                look(source, fresh(project), is_deep=True)
            begin, begin_cpu = time.perf_counter(), time.process_time()
            (tasks.get(task) or (lambda: look(source, project, is_deep=True)))()
            rates[task].append(options.images / (time.perf_counter() - begin))
            cpu_s[task].append(time.process_time() - begin_cpu)
    ratios = [check / read for check, read in zip(rates["check"], rates["read"], strict=True)]
    shown = ", ".join(f"{task} {statistics.median(rates[task]):.4g}/s" for task in rates)
    print(
        f"{name}: {shown}; check over read {statistics.median(ratios):.2f} "
        f"[{min(ratios):.2f}, {max(ratios):.2f}], by CPU time "
        f"{statistics.median(cpu_s['read']) / statistics.median(cpu_s['check']):.2f}",
        flush=True,
    )


def fresh(project: Path) -> Path:
    """Return a folder in which nothing is known of any data set."""
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir(parents=True)
    return project


def search(count: int) -> None:
    """Time the search for near hashes among random ones."""
    hashes = np.random.default_rng(0).integers(0, 2**64, count, dtype=np.uint64)
    near = likeness._near_in_all if count <= likeness._EXHAUSTIVE else likeness._near_in_parts
    begin = time.perf_counter()
    found = sum(len(others) for _, others in near(hashes))
    print(f"near hashes among {count:,}: {time.perf_counter() - begin:.2f} s, {found} pairs")


def main() -> None:
    """Read the options, and measure what they ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", default="360x480,1052x1914")
    parser.add_argument("--suffixes", default="png,jpg")
    parser.add_argument("--images", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--near", type=int, default=25_000)
    options = parser.parse_args()
    for size in options.sizes.split(","):
        height, width = map(int, size.split("x"))
        for suffix in options.suffixes.split(","):
            measure(options, (height, width), suffix)
    search(options.near)


if __name__ == "__main__":
    main()
