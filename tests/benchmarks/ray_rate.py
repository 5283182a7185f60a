"""`score --ray` with two workers of one core beside two plain shards side by side, images/s.

    python -m tests.benchmarks.ray_rate --out WORK [--images 400,4000] [--rounds 1]

Each way scores a small and a large part of the same drawn set; the difference of the two leaves
out what is not scoring: starting Ray or Python, opening run and data. Target: .95 over at least
ten minutes, so with as many images as take that long.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.scoring import draw_scenes, multiply, train

SIZE = (360, 480)


def start(data, out, run, folder, *options):
    """Start a process of `curate score` with one thread."""
    command = [sys.executable, "-m", "curate", "score", data, "--run", run, "--out", out]
    own = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    command += ["--device", "cpu", "--overwrite", "--json", *options]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(list(map(str, command)), cwd=folder, env=own, **quiet)


def clock(*processes):
    """Seconds until all have ended."""
    started = time.monotonic()
    for process in processes:
        _, problem = process.communicate()
        assert process.returncode == 0, problem.decode()[-2000:]
    return time.monotonic() - started


def main():
    """Print one JSON object a round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", default="400,4000")
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    out, counts = given.out.resolve(), [int(count) for count in given.images.split(",")]
    out.mkdir(parents=True, exist_ok=True)
    _, run = train(out / "run", SIZE, "cpu")
    (out / "curate.toml").write_text("")
    scenes = draw_scenes(out / "scenes", SIZE, "jpg")
    data = {count: multiply(scenes, out / f"data-{count}", count) for count in counts}
    for _ in range(given.rounds):
        seconds = {}
        for count in counts:
            shards = [("--shard", f"{number}/2") for number in (1, 2)]
            seconds["shards", count] = clock(
                *(start(data[count], f"{n}.h5", run, out, *own) for n, own in enumerate(shards))
            )
            options = ("--ray", "--ray-cpus", 1, "--part-images", max(2, count // 16))
            seconds["ray", count] = clock(start(data[count], "ray.h5", run, out, *options))
        rates = {
            way: (counts[1] - counts[0]) / (seconds[way, counts[1]] - seconds[way, counts[0]])
            for way in ("shards", "ray")
        }
        told = {" ".join(map(str, key)): round(value, 1) for key, value in seconds.items()}
        told |= {f"{way}, images/s": round(rate, 2) for way, rate in rates.items()}
        print(json.dumps(told | {"ratio": round(rates["ray"] / rates["shards"], 3)}), flush=True)


if __name__ == "__main__":
    main()
