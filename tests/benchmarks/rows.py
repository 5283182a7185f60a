"""The best 30 % of very many images or regions: memory, disk, and time beside a plain read.

    python -m tests.benchmarks.rows FOLDER [--images 10000000] [--regions 100000000] [--engines]

Draws a folder of Parquet tables, 100 regions an image, with all columns of a score file; each
figure is a process of its own. With ``--engines`` the threshold alone is found by DuckDB and by
Polars, too, as far as they are installed. Targets: 2 GiB, three times a plain read.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.scores import provenance, schema
from curate.scores.tables_arrow import TableWriter
from tests.scores.making import PROVENANCE

NUM_CLASSES = 19
PER_IMAGE = 100
PART_ROWS = {"images": 1_000_000, "regions": 10_000_000}
BLOCK = 131_072

READ = {
    "images": ("id", "status", "score", "valid_px", "class_px", "image_path", "label_path"),
    "regions": ("image", "class_id", "valid_px", "score"),
}
"""What a choice by each unit has to read."""

COMMON = """
import resource, sys, time
from pathlib import Path
folder, columns = Path(sys.argv[1]), sys.argv[2].split(",")
table = "regions" if "class_id" in columns else "images"
started = time.monotonic()
{work}
seconds, peak = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
used = resource.getrusage(resource.RUSAGE_SELF)
print(round(seconds, 2), round(used.ru_utime + used.ru_stime, 2), peak // 1024)
"""

WORKS = {
    "plain read": """
import pyarrow.parquet as pq
for path in sorted(folder.glob(f"*.{table}.parquet")):
    for batch in pq.ParquetFile(path).iter_batches(columns=columns):
        pass
""",
    "curate": """
from curate.reporting import SilentReporter
from curate.scores.score_file import ScoreFile
from curate.selection.choose import choose_regions
from curate.selection.export import export_subset
from curate.selection.settings import ExportSettings
from curate.selection.source import SubsetSource
if table == "images":
    found = export_subset(folder, out=folder / "subset", top="30%", media="none", dry_run=True,
                          reporter=SilentReporter())
else:
    with ScoreFile(folder) as file:
        settings = ExportSettings(by="region", top="30%")
        (found,) = choose_regions([SubsetSource(file, folder)], settings, SilentReporter())
assert abs(found.selected - 0.3 * found.of) < 1, (found.selected, found.of)
""",
    "duckdb": """
import duckdb
engine = duckdb.connect()
engine.execute("SET memory_limit='1500MB'; SET temp_directory='{}'".format(folder / "spill"))
files = folder / f"*.{table}.parquet"
engine.sql(f"SELECT quantile_disc(score, 0.7) FROM '{files}'").fetchall()
""",
    "polars": """
import polars
rows = polars.scan_parquet(folder / f"*.{table}.parquet")
rows.select(polars.col("score").quantile(0.7, "higher")).collect(engine="streaming")
""",
}


def number_texts(before, numbers, after=""):
    """Ids of equal length that rise with their numbers."""
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 10, "0")
    return pc.binary_join_element_wise(before, digits, after, "")


def image_block(rng, first, count):
    """Images from number `first` on."""
    numbers = np.arange(first, first + count)
    class_px = rng.integers(0, 50_000, (count, NUM_CLASSES))
    names = [n for n in schema.IMAGE_COLUMNS if schema.is_score(n) or schema.is_weight(n)]
    return {name: rng.random(count, np.float32) for name in names} | {
        "id": number_texts("town/frame_", numbers),
        "image_path": number_texts("images/town/frame_", numbers, ".png"),
        "label_path": number_texts("labels/town/frame_", numbers, ".png"),
        "height": np.full(count, 1052, np.int32),
        "width": np.full(count, 1914, np.int32),
        "orientation": np.ones(count, np.int32),
        "status": pa.array(["ok"]).take(pa.array(np.zeros(count, int))),
        "message": pa.array([""]).take(pa.array(np.zeros(count, int))),
        "valid_px": class_px.sum(axis=1),
        "map_size": pa.nulls(count, pa.string()),
        "map_row": np.full(count, -1, np.int32),
        "class_px": class_px,
        "class_score": rng.random((count, NUM_CLASSES), np.float32),
    }


def region_block(rng, first, count):
    """Regions from number `first` on, counted within their part."""
    numbers = np.arange(first, first + count)
    image, class_id = numbers // PER_IMAGE, rng.integers(0, NUM_CLASSES, count).astype(np.int16)
    top, left = (rng.integers(0, 1000, count).astype(np.int32) for _ in range(2))
    area = rng.integers(100, 20_000, count)
    names = pa.array([f"class {index}" for index in range(NUM_CLASSES)])
    ids = number_texts("town/frame_", np.arange(image[0], image[-1] + 1))
    return {
        "image": image,
        "id": ids.take(pa.array(image - image[0])),
        "region": (numbers % PER_IMAGE).astype(np.int32),
        "class_id": class_id,
        "class_name": names.take(pa.array(class_id)),
        "area_px": area,
        "valid_px": area,
        "top": top,
        "left": left,
        "bottom": top + 40,
        "right": left + 40,
        "score": rng.random(count, np.float32),
        "weight": rng.random(count, np.float32),
    }


def draw(folder, table, total):
    """Write tables of so many rows; parts of regions have their own images."""
    classes = {"name": "custom", "names": [f"class {index}" for index in range(NUM_CLASSES)]}
    levels = ["image", "region"] if table == "regions" else ["image"]
    header = provenance.Header(PROVENANCE | {"classes": classes, "levels": levels}, str(folder))
    columns = {"images": schema.IMAGE_COLUMNS, "regions": schema.REGION_COLUMNS}
    blocks = {"images": image_block, "regions": region_block}
    folder.mkdir(parents=True)
    rng, size = np.random.default_rng(0), PART_ROWS[table]
    for number, first in enumerate(range(0, total, size)):
        rows = min(size, total - first)
        images = range(first, first + rows) if table == "images" else None
        counts = {"images": rows} if images else {"images": rows // PER_IMAGE, "regions": rows}
        for name, count in counts.items():
            path = folder / f"part-{number + 1:05d}.{name}.parquet"
            about = {"class_names": classes["names"], "header": header, "pair": str(number)}
            before = first if images else first // PER_IMAGE if name == "images" else 0
            with TableWriter(path, columns[name], **about) as writer:
                for start in range(0, count, BLOCK):
                    many = min(BLOCK, count - start)
                    writer.write(blocks[name](rng, before + start, many))


def measure(folder, table, what):
    """Run a process; return its seconds, processor seconds and peak memory."""
    program = COMMON.replace("{work}", WORKS[what])
    command = [sys.executable, "-c", program, str(folder), ",".join(READ[table])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    return dict(zip(("s", "cpu_s", "peak_mib"), map(float, done.stdout.split()), strict=True))


def main():
    """Print one JSON object for each table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=10_000_000)
    parser.add_argument("--regions", type=int, default=100_000_000)
    parser.add_argument("--engines", action="store_true")
    given = parser.parse_args()
    for table, total in (("images", given.images), ("regions", given.regions)):
        if not total:
            continue
        folder = given.folder / f"{table}-{total}"
        if not folder.exists():
            draw(folder, table, total)
        names = ["plain read", "curate", "plain read", "curate"]
        names += ["duckdb", "polars"] if given.engines else []
        found = [{"what": name, "found": measure(folder, table, name)} for name in names]
        size = sum(path.stat().st_size for path in folder.glob(f"*.{table}.parquet"))
        print(json.dumps({table: total, "gb": round(size / 1e9, 2), "runs": found}), flush=True)
        shutil.rmtree(folder / "spill", ignore_errors=True)


if __name__ == "__main__":
    main()
