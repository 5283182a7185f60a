"""Time, memory and size of ``curate report``.

Draws a data set and writes scores of it, then makes its report twice in a process of its own: once
with everything to be looked at, and once with what the first one had seen::

    python -m tests.benchmarks.report_size FOLDER --images 25000 --size 96x128 --classes 19
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from curate.data.idmaps import IdMap
from curate.records import OK, SCORE_NAMES, WEIGHT_NAMES, Pair
from curate.scores.columns import RegionTable, ScoredImage
from curate.scores.packing import pack
from curate.scores.writer import ScoreWriter

STRIDE, STREAMS = 4, ("corruption", "mismatch", "appearance", "semantics", "layout")
CHUNK = 64
MEASURED = """
import json, resource, sys, time
from curate.showing.report import report
started = time.monotonic()
done = report([sys.argv[1]], out=sys.argv[2], project=sys.argv[3], overwrite=True)
seconds, used = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "seconds": seconds,
    "cpu": used.ru_utime + used.ru_stime,
    "peak_mib": used.ru_maxrss / 1024,
    "bytes": done.bytes,
}))
"""


def draw_pair(rng, size, num_classes):
    """Draw blurred noise, and labels in tiles of 32 pixels."""
    height, width = size
    coarse = rng.integers(0, 255, (height // 12 + 2, width // 12 + 2, 3)).astype(np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    classes = rng.integers(0, num_classes, (-(-height // 32), -(-width // 32))).astype(np.uint8)
    return image, classes.repeat(32, 0).repeat(32, 1)[:height, :width]


def score_pair(rng, image_id, label_map, num_classes):
    """Score square tiles at random, about as many as a street scene has regions."""
    height, width = label_map.shape
    tile = max(1, height // 48)
    cells = label_map[::STRIDE, ::STRIDE]
    rows, columns = np.indices(cells.shape) // tile
    across = int(columns.max()) + 1
    region_ids = (rows * across + columns).astype(np.uint16)
    count = int(region_ids.max()) + 1
    level = rng.beta(4, 2)
    scores = np.clip(rng.normal(level, 0.15, count), 0, 1)
    pixel = np.clip(scores[region_ids] + rng.normal(0, 0.05, cells.shape), 0, 1)
    firsts = np.unique(region_ids, return_index=True)[1]
    top = (np.arange(count) // across * tile * STRIDE).astype(np.int32)
    left = (np.arange(count) % across * tile * STRIDE).astype(np.int32)
    bottom = np.minimum(top + tile * STRIDE, height).astype(np.int32)
    right = np.minimum(left + tile * STRIDE, width).astype(np.int32)
    area = (bottom - top).astype(np.int64) * (right - left)
    class_px = np.bincount(label_map.ravel(), minlength=num_classes)
    return ScoredImage(
        pair=Pair(image_id, f"{image_id}.jpg", image_id.replace("images", "labels") + ".png"),
        height=height,
        width=width,
        status=OK,
        message="",
        valid_px=height * width,
        means=dict.fromkeys((*SCORE_NAMES, *WEIGHT_NAMES), level),
        class_px=class_px,
        class_score=np.where(class_px, level, np.nan),
        pixel_scores=pack((pixel * 255).astype(np.uint8)),
        pixel_weights=pack((pixel * 128).astype(np.uint8)),
        region_ids=pack(region_ids),
        regions=RegionTable(
            class_id=cells.ravel()[firsts].astype(np.int16),
            area_px=area,
            valid_px=area,
            top=top,
            left=left,
            bottom=bottom,
            right=right,
            score=scores,
            weight=scores,
            streams=dict.fromkeys(STREAMS, scores),
        ),
        streams=dict.fromkeys(STREAMS, level),
    )


def write_scored_set(folder, count, size, num_classes):
    """Draw images and labels, and write their score file."""
    root, rng = folder / "drawn", np.random.default_rng(0)
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    id_map = IdMap("own", {index: index for index in range(num_classes)}, frozenset({255}))
    provenance = {
        "run": "r",
        "dataset": {"layout": "folder", "name": "drawn"},
        "classes": {"name": "custom", "names": [f"class {n}" for n in range(num_classes)]},
        "id_map": id_map.to_json(),
        "levels": ["image", "region", "pixel"],
        "stride": STRIDE,
        "streams": list(STREAMS),
        "method": "streams",
    }
    out = folder / "weights.h5"
    with ScoreWriter(out, provenance, dataset_root=root) as writer:
        for first in range(0, count, CHUNK):
            chunk = []
            for number in range(first, min(first + CHUNK, count)):
                image, label_map = draw_pair(rng, size, num_classes)
                image.save(root / f"images/{number:06d}.jpg", quality=85)
                Image.fromarray(label_map).save(root / f"labels/{number:06d}.png")
                chunk.append(score_pair(rng, f"images/{number:06d}", label_map, num_classes))
            writer.append(chunk)
        writer.finish()
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--size", default="360x480")
    parser.add_argument("--classes", type=int, default=19)
    options = parser.parse_args()
    height, width = map(int, options.size.split("x"))
    scores = options.folder / "weights.h5"
    if not scores.exists():
        write_scored_set(options.folder, options.images, (height, width), options.classes)
    for name in ("first", "again"):
        arguments = [scores, options.folder / "report.html", options.folder]
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *map(str, arguments)], check=True, capture_output=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
        by_clock, by_cpu = (options.images / found[key] for key in ("seconds", "cpu"))
        print(
            f"{name}: {found['seconds']:.1f} s, {by_clock:.0f} images/s; of the processor "
            f"{found['cpu']:.1f} s, {by_cpu:.0f} images/s; "
            f"{found['bytes'] / 1e6:.1f} MB, peak {found['peak_mib']:.0f} MiB"
        )


if __name__ == "__main__":
    main()
