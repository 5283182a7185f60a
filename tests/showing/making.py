"""Small scored data sets whose files are there, with names that no page may trust."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
from PIL import Image

from curate.data.idmaps import IdMap
from curate.records import Pair
from curate.scores.packing import pack
from curate.showing.scored_sets import open_sets
from tests.scores.making import PROVENANCE, failed_image, scored_image, write_scores

HOSTILE = "<script>alert(1)</script>\"'&\u202e\x07"
"""A name that would run, end an attribute, turn the reading direction and ring a bell."""

ID_MAP = IdMap("own", {0: 0, 1: 1}, frozenset({255}))
SIZE = (16, 24)
STREAMS = ["appearance", "idle"]


def scored(image_id, score, **streams):
    """An image of class a on its left half and b on its right; see `scored_image`."""
    own = {"appearance": score, "idle": np.nan} | streams
    image = scored_image(image_id, score, size=SIZE, streams=own)
    half = SIZE[0] * SIZE[1] // 2
    cells = np.full((SIZE[0] // 2, SIZE[1] // 2), round(score * 255), np.uint8)
    cells[:, SIZE[1] // 4 :] = round((1 - score) * 255)
    return replace(
        image,
        pair=Pair(image_id, f"images/{image_id}.png", f"labels/{image_id}.png"),
        class_px=np.array([half, half]),
        class_score=np.array([score, 1 - score]),
        pixel_scores=pack(cells),
    )


def draw_files(root, image_ids, seed=0):
    rng = np.random.default_rng(seed)
    label_map = np.zeros(SIZE, np.uint8)
    label_map[:, SIZE[1] // 2 :] = 1
    for image_id in image_ids:
        for folder in ("images", "labels"):
            (root / folder / image_id).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (*SIZE, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{image_id}.png")
        Image.fromarray(label_map).save(root / "labels" / f"{image_id}.png")


def write_set(folder, name, scores, *, failed=(), seed=0, **provenance):
    """Write a data set of these scores, by id, and its score file."""
    root = folder / name
    draw_files(root, scores, seed)
    about = PROVENANCE | {
        "dataset": {"layout": "folder", "name": name},
        "id_map": ID_MAP.to_json(),
        "streams": STREAMS,
        "stream_maps": True,
        "method": "streams",
    }
    images = [scored(image_id, score) for image_id, score in scores.items()]
    images += [failed_image(image_id) for image_id in failed]
    return write_scores(
        folder / f"{name}.h5",
        sorted(images, key=lambda image: image.pair.id),
        provenance=about | provenance,
        dataset_root=root,
    )


def opened(*paths, **options):
    return open_sets(ExitStack(), paths, **options)
