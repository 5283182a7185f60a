"""Merge score files: how fast beside a plain copy, and how much memory for 2 and for 1,000 parts.

``python -m tests.benchmarks.merging [FOLDER] [--images 5000] [--parts 2 1000]``
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from curate.cluster import parts
from curate.job import Shard
from curate.scores.packing import pack
from tests.scores.making import PROVENANCE, open_writer, scored_image

SIZE = (500, 500)
PIECE = 100
PROGRAM = """
import resource, sys, time
from curate.scores.merge import merge
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.monotonic()
merge([sys.argv[1]], sys.argv[2], overwrite=True)
seconds = time.monotonic() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(seconds, before // 1024, peak // 1024)
"""


def draw_images(first, last):
    """Images with maps that do not pack."""
    for number in range(first, last):
        rng = np.random.default_rng(number)
        image = scored_image(f"{number:08d}", rng.random(), size=SIZE)
        cells = rng.integers(0, 256, (2, *image.pixel_scores.shape), np.uint8)
        yield replace(image, pixel_scores=pack(cells[0]), pixel_weights=pack(cells[1]))


def draw_parts(folder, count, num_images):
    """Write the parts of an array."""
    out = folder / f"of{count}.h5"
    provenance = PROVENANCE | {"dataset": PROVENANCE["dataset"] | {"images": num_images}}
    for number in range(1, count + 1):
        path = parts.choose_path(out, f"auto/{count}", Shard(number, count))
        rows = Shard(number, count).of(range(num_images))
        with open_writer(path, provenance=provenance) as writer:
            for first in range(rows.start, rows.stop, PIECE):
                writer.append(list(draw_images(first, min(first + PIECE, rows.stop))))
            writer.finish()
        parts.seal(path)
    return out


def copy(folder, out):
    """Copy the bytes of the parts, and force them to the disk; return the seconds."""
    started = time.monotonic()
    shutil.copytree(folder, out)
    subprocess.run(["sync", "--file-system", str(out)], check=True)
    return time.monotonic() - started


def measure(folder, count, num_images):
    """Merge parts, twice; return what was measured."""
    out = draw_parts(folder, count, num_images)
    source = Path(f"{out}.parts")
    size = sum(path.stat().st_size for path in source.glob("*.h5"))
    subprocess.run(["sync"], check=True)
    runs = []
    for number in range(2):
        copied = folder / f"copy{number}"
        copying = copy(source, copied)
        shutil.rmtree(copied)
        command = [sys.executable, "-c", PROGRAM, str(source), str(out)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        seconds, before, peak = map(float, told.split())
        runs.append({"seconds": round(seconds, 2), "copy": round(copying, 2),
                     "of_copy": round(copying / seconds, 2), "start_mib": before,
                     "peak_mib": peak})  # fmt: skip
    shutil.rmtree(source)
    out.unlink()
    return {"parts": count, "images": num_images, "mb": round(size / 1e6), "runs": runs}


def main():
    """Print one JSON object for each number of parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--parts", type=int, nargs="+", default=[2, 1000])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for count in given.parts:
            print(json.dumps(measure(Path(folder), count, given.images)), flush=True)


if __name__ == "__main__":
    main()
