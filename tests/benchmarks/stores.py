"""`score` from an S3 store and from WebDataset tars, each against a folder of the same files.

    python -m tests.benchmarks.stores --out WORK [--images 400] [--rounds 3] [--size 180x240]

The store is ``rclone serve s3`` on this machine (extra ``test-s3``), whose time is not its own but
the scorer's. Scenes are drawn and linked as for `scoring`. All are scored once, so that what is
looked at before is known; then folder, store, tars and tars in the store take turns, and the
figure is the ratio of the rates of a round, the whole command timed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tarfile
from pathlib import Path

from curate.remote import as_path, tree
from curate.reporting import SilentReporter
from curate.scoring.score import score
from tests.benchmarks.scoring import draw_scenes, multiply, train
from tests.remote.serving import KEY, SECRET, serve_s3

SHARD_IMAGES = 100


def pack(files: Path, folder: Path) -> Path:
    """Put images and labels into tars, as WebDataset writes them."""
    folder.mkdir(exist_ok=True)
    images = sorted((files / "images").iterdir())
    for first in range(0, len(images), SHARD_IMAGES):
        with tarfile.open(
            folder / f"{first // SHARD_IMAGES:06d}.tar", "w", dereference=True
        ) as tar:
            for image in images[first : first + SHARD_IMAGES]:
                tar.add(image, image.name)
                label = files / "labels" / f"{image.stem}.png"
                tar.add(label, f"{image.stem}.label.png")
    return folder


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", default="180x240")
    options = parser.parse_args()
    size = tuple(map(int, options.size.split("x")))
    bucket = options.out / "store/bucket"
    bucket.mkdir(parents=True, exist_ok=True)
    config, run = train(options.out / "training", size, "cpu", steps=6)
    scenes = draw_scenes(options.out / f"scenes-{options.size}", size, "png")
    files = multiply(scenes, bucket / "files", options.images)
    tars = pack(files, bucket / "tars")
    with serve_s3(options.out / "store") as port:
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }
        sets = {
            "folder": files,
            "store": as_path("s3://bucket/files"),
            "tars": tars,
            "tars in store": as_path("s3://bucket/tars"),
        }
        rates: dict[str, list[float]] = {name: [] for name in sets}
        for turn in range(options.rounds + 1):
            for name, root in sets.items():
                tree.forget()
                result = score(
                    root, options.out / "weights.h5", config=config, run=run, overwrite=True,
                    reporter=SilentReporter(),
                )  # fmt: skip
                assert result.scored == options.images, (name, result.statuses)
                if turn:
                    rates[name].append(result.images_per_second)
                    print(f"round {turn}, {name}: {rates[name][-1]:.1f} images/s", flush=True)
    for name, own in rates.items():
        ratios = [a / b for a, b in zip(own, rates["folder"], strict=True)]
        span = f"{min(ratios):.3f} to {max(ratios):.3f}"
        print(f"{name} / folder: {statistics.median(ratios):.3f} ({span})")


if __name__ == "__main__":
    main()
