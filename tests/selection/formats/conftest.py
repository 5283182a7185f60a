"""Two small data sets of three classes, scored, and what a subset of them must hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from curate.data.idmaps import IdMap
from curate.records import Pair
from curate.selection.export import export_subset
from tests.selection.making import scored, write_scores

CLASSES = ["road", "sky", "car"]
RAW_IDS = np.array([7, 23, 26, 0], np.uint8)  # the last one is ignored
ID_MAP = IdMap("toy", {7: 0, 23: 1, 26: 2}, frozenset({0, 255}))
NAMES = ("a", "b.c", "town/a")


class Drawn:
    """A scored data set.

    Attributes
    ----------
    root, scores : Path
    truth : dict of str to (image, label_map)
        By the name of an image with ``_`` for ``/``; ignored pixels are 255.
    """

    def __init__(self, folder, suffix=".png", names=NAMES, seed=0, weight=0.5, scale=1):
        self.root, self.scores = folder / "data", folder / "weights.h5"
        self.truth, rows, rng = {}, [], np.random.default_rng(seed)
        for name in names:
            paths = f"images/{name}{suffix}", f"labels/{name}.png"
            image = rng.integers(0, 256, (8 * scale, 16 * scale, 3)).astype(np.uint8)
            classes = rng.integers(0, 4, (8 * scale, 16 * scale))
            for path, pixels in zip(paths, (image, RAW_IDS[classes]), strict=True):
                (self.root / path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(self.root / path)
            with Image.open(self.root / paths[0]) as stored:
                image = np.asarray(stored.convert("RGB"))
            self.truth[name.replace("/", "_")] = (
                image,
                np.where(classes == 3, 255, classes).astype(np.uint8),
            )
            known = scored("images/a")
            rows.append(
                replace(
                    known,
                    means=known.means | {"weight": weight},
                    pair=Pair(f"images/{name}", *paths),
                    class_px=np.zeros(3, int),
                    class_score=np.zeros(3),
                    height=8 * scale,
                    width=16 * scale,
                )
            )
        rows.sort(key=lambda row: row.pair.id)
        write_scores(
            self.scores,
            self.root,
            rows,
            classes={"name": "custom", "names": CLASSES},
            id_map=ID_MAP.to_json(),
            stride=8 * scale,
            dataset={"name": folder.name, "layout": "folder", "id_map": "toy"},
        )

    def export(self, out, layout, **options):
        """Export all of it, or with ``by="region"`` the left half of every image."""
        share = "50%" if options.get("by") == "region" else "100%"
        export_subset(self.scores, out=out, top=share, format=layout, **options)
        return out

    @property
    def left_half(self):
        """What a subset holds whose right halves were left out."""
        halves = {}
        for name, (image, label_map) in self.truth.items():
            label_map = label_map.copy()
            label_map[:, label_map.shape[1] // 2 :] = 255
            halves[name] = (image, label_map)
        return halves


@pytest.fixture
def drawn(tmp_path):
    return Drawn(tmp_path)


@pytest.fixture
def drawn_jpeg(tmp_path):
    return Drawn(tmp_path / "jpeg", ".jpg")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "subset"
