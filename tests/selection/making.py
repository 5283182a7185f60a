"""Scores of three small images and a broken one, and readers of what is exported."""

from __future__ import annotations

import csv
from dataclasses import replace

import h5py
import numpy as np
from PIL import Image

from curate.data.idmaps import IdMap
from curate.records import OK, SCORE_NAMES, WEIGHT_NAMES, Pair
from curate.scores.columns import RegionTable, ScoredImage
from curate.scores.packing import pack
from curate.scores.writer import ScoreWriter
from curate.selection.placement import Placement

ID_MAP = IdMap("toy", {7: 0, 8: 1}, frozenset({0, 255}))
CLASSES = ["road", "sky"]

# Blocks of 4x4 pixels; a cell of the maps is 2x2 blocks. Ids 7 and 8 have a class, 0 has none.
BLOCK, BLOCK_PX, STRIDE = 4, 16, 8
LABELS = {
    "images/a": [[7, 7, 8, 8], [7, 7, 8, 0]],
    "images/b": [[7, 7, 7, 7], [0, 0, 7, 7]],
    "images/c": [[8, 8, 8, 8], [8, 8, 8, 8]],
}
CELLS = {"images/a": [250, 10], "images/b": [100, 100], "images/c": [30, 200]}
VALID_BLOCKS = {"images/a": (4, 3), "images/b": (2, 4), "images/c": (4, 4)}
SCORES = {"images/a": 0.9, "images/b": 0.2, "images/c": 0.5}


def scored(image_id):
    valid = np.array(VALID_BLOCKS[image_id]) * BLOCK_PX
    score, cells = SCORES[image_id], np.array([CELLS[image_id]], np.uint8)
    return ScoredImage(
        pair=Pair(image_id, f"{image_id}.png", image_id.replace("images", "labels") + ".png"),
        height=8,
        width=16,
        status=OK,
        message="",
        valid_px=int(valid.sum()),
        means=dict(zip((*SCORE_NAMES, *WEIGHT_NAMES), (score, 1 - score, *[0.5] * 6), strict=True)),
        class_px=np.array([0, 0]),
        class_score=np.array([0.0, 0.0]),
        pixel_scores=pack(cells),
        pixel_weights=pack(cells),
        region_ids=pack(np.array([[0, 1]], np.uint16)),
        regions=RegionTable(
            class_id=np.zeros(2, np.int16),
            area_px=np.array([64, 64]),
            valid_px=valid,
            top=np.zeros(2, np.int32),
            left=np.array([0, 8], np.int32),
            bottom=np.full(2, 8, np.int32),
            right=np.array([8, 16], np.int32),
            score=cells[0] / 255,
            weight=cells[0] / 255,
        ),
    )


STREAMS = {"streams": ["corruption", "idle"]}
CORRUPTION = {"images/a": [20, 30], "images/b": [210, 40], "images/c": [220, 230]}


def with_streams(image_id):
    """An image with two streams, of which one ranks in another order: c, b, a."""
    image, cells = scored(image_id), np.array([CORRUPTION[image_id]], np.uint8)
    own = {"corruption": cells[0] / 255, "idle": np.full(2, np.nan)}
    return replace(
        image,
        streams={name: float(values.mean()) for name, values in own.items()},
        stream_scores={"corruption": pack(cells)},
        regions=replace(image.regions, streams=own),
    )


def broken():
    return ScoredImage(
        pair=Pair("images/z", "images/z.png", ""),
        height=0,
        width=0,
        status="missing_label",
        message="no label",
        valid_px=0,
        means={},
        class_px=np.zeros(2, np.int64),
        class_score=np.full(2, np.nan),
    )


def provenance(**changes):
    return {
        "dataset": {"layout": "folder", "id_map": "toy"},
        "classes": {"name": "custom", "names": CLASSES},
        "id_map": ID_MAP.to_json(),
        "levels": ["image", "region", "pixel"],
        "stride": STRIDE,
    } | changes


def write_scores(out, root, images=None, **changes):
    with ScoreWriter(out, provenance(**changes), dataset_root=root) as writer:
        writer.append([*map(scored, LABELS), broken()] if images is None else images)
        writer.finish()
    return out


def placement(tmp_path, media="symlink"):
    """Where a subset goes."""
    folder = tmp_path / "aside"
    folder.mkdir(parents=True, exist_ok=True)
    return Placement(folder, tmp_path / "out", media)


def edit(path, column, row, value):
    """Put another string or number into a column of a score file."""
    with h5py.File(path, "a") as file:
        old = file[column]
        if old.dtype.kind != "S":
            old[row] = value
            return
        values = old[:].tolist()
        values[row] = value.encode()
        dtype = h5py.string_dtype("utf-8", max(map(len, values)))
        del file[column]
        file.create_dataset(column, data=np.array(values, dtype), dtype=dtype)


def with_classes(path, **columns):
    """Change the columns of a, b and c that tell about classes."""
    with h5py.File(path, "a") as file:
        for name, values in columns.items():
            file[f"images/{name}"][:3] = values
    return path


class Warnings:
    def __init__(self):
        self.texts = []

    def start(self, *_, **__):
        pass

    advance = finish = note = start

    def warn(self, message):
        self.texts.append(message)


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def label_ids(folder, name):
    """One id a block."""
    with Image.open(folder / "labels" / f"{name}.png") as label:
        return np.asarray(label)[::BLOCK, ::BLOCK].tolist()


def manifest(out):
    with (out / "manifest.csv").open() as file:
        return {row["id"].removeprefix("images/"): row for row in csv.DictReader(file)}


def class_px(*folders):
    """Pixels of each id in all labels of subsets."""
    found = {7: 0, 8: 0}
    for path in (path for folder in folders for path in folder.rglob("labels/*.png")):
        with Image.open(path) as label:
            ids = np.asarray(label)
        found = {each: count + int((ids == each).sum()) for each, count in found.items()}
    return found


def left_beside(out):
    return [path.name for path in out.parent.iterdir() if "partial" in path.name]
