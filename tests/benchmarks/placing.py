"""What ``curate export-subset --media hardlink`` of 25,000 pairs takes, against ``cp -al``.

    python -m tests.benchmarks.placing [--pairs 25000] [--rounds 5] [--folder DIR]

Both link the same files on the same disk and take turns. The target is a ratio of at most 1.5 for
the whole command; the ratio without the start of Python and its imports is told beside it.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from curate.data.dataset import hash_files
from curate.records import OK, SCORE_NAMES, WEIGHT_NAMES, Pair
from curate.scores.columns import ScoredImage
from curate.scores.writer import ScoreWriter

NUM_CLASSES = 2


def make_files(root: Path, pairs: int) -> list[Pair]:
    """Write small files that pass for images and labels."""
    listed = []
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    for row in range(pairs):
        pair = Pair(f"images/{row:06d}", f"images/{row:06d}.png", f"labels/{row:06d}.png")
        (root / pair.image_path).write_bytes(b"x" * 1500)
        (root / pair.label_path).write_bytes(b"y" * 300)
        listed.append(pair)
    return listed


def write_scores(out: Path, root: Path, pairs: list[Pair]) -> None:
    """Write a score file without maps, with the fingerprint of the data set."""
    paths = [path for pair in pairs for path in (pair.image_path, pair.label_path)]
    fingerprint = hash_files(paths, lambda path: (root / path).stat().st_size)
    provenance = {
        "dataset": {"layout": "folder", "images": len(pairs), "fingerprint": fingerprint},
        "classes": {"name": "made", "names": ["a", "b"]},
        "levels": ["image"],
        "stride": 4,
    }
    scores = np.random.default_rng(0).random(len(pairs))
    with ScoreWriter(out, provenance, dataset_root=root) as writer:
        writer.append([scored(*pair) for pair in zip(pairs, scores.tolist(), strict=True)])
        writer.finish()


def scored(pair: Pair, score: float) -> ScoredImage:
    """Give an image a score."""
    return ScoredImage(
        pair=pair, height=8, width=8, status=OK, message="", valid_px=64,
        means=dict.fromkeys((*SCORE_NAMES, *WEIGHT_NAMES), score),
        class_px=np.array([64, 0]), class_score=np.array([score, np.nan]),
    )  # fmt: skip


def seconds(command: list[str], out: Path) -> float:
    """Time a command, and remove what it made."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    taken = time.perf_counter() - started
    shutil.rmtree(out, ignore_errors=True)
    return taken


def main() -> None:
    """Measure and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=25_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        root, out, scores = folder / "data", folder / "out", folder / "scores.h5"
        write_scores(scores, root, make_files(root, options.pairs))
        ours = [
            sys.executable, "-m", "curate", "export-subset", "--scores", str(scores),
            "--media", "hardlink", "--top", "100%", "--out", str(out),
        ]  # fmt: skip
        start = [sys.executable, "-c", "import curate.cli.app, curate.selection.export"]
        copy = ["cp", "-al", str(root), str(out)]
        rounds = [
            (seconds(copy, out), seconds(ours, out), seconds(start, out))
            for _ in range(options.rounds + 1)
        ][1:]
        whole = [mine / other for other, mine, _ in rounds]
        work = [(mine - start) / other for other, mine, start in rounds]
        other, mine, start_up = (statistics.median(times) for times in zip(*rounds, strict=True))
        print(f"{2 * options.pairs:,} files, medians of {options.rounds} rounds in turns")
        print(f"cp -al {other:.2f} s, whole command {mine:.2f} s, imports alone {start_up:.2f} s")
        print(f"whole command / cp -al   {statistics.median(whole):.2f}", spread(whole))
        print(f"without imports / cp -al {statistics.median(work):.2f}", spread(work))


def spread(values: list[float]) -> str:
    """Write the smallest and the largest value."""
    return f"(min {min(values):.2f}, max {max(values):.2f})"


if __name__ == "__main__":
    main()
