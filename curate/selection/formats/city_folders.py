"""Cityscapes: ``leftImg8bit/train/<city>/`` and ``gtFine/train/<city>/``.

https://github.com/mcordts/cityscapesScripts. Where all classes are Cityscapes' own, its label ids
are there, too: torchvision reads these, MMSegmentation the train ids.
"""

from __future__ import annotations

import numpy as np

from curate.data.id_tables import PUBLISHED_IDS
from curate.selection.dialect import Format, SubsetItem

_NO_CITY = "synthetic"


class CityscapesFormat(Format):
    """``_gtFine_labelTrainIds`` holds the ids of `label_ids`, ``_gtFine_labelIds`` Cityscapes'."""

    label_ids = ("classes", "train")
    weights = "weights/train"

    def start(self) -> None:
        """Find the label id of each class, 0 being unlabelled."""
        known = {name: raw for raw, name in PUBLISHED_IDS["cityscapes"].names["cityscapes"].items()}
        names = self.plan.label_ids.names
        self._label_ids = np.zeros(256, np.uint8)
        self._is_cityscapes = known.keys() >= set(names.values())
        if self._is_cityscapes:
            self._label_ids[list(names)] = [known[name] for name in names.values()]

    def add(self, item: SubsetItem) -> None:
        """Write one image and its labels."""
        folder, _, stem = item.name.rpartition("/")
        city = folder.replace("/", "-") or _NO_CITY
        path = f"train/{city}/{stem.removesuffix('_leftImg8bit')}"
        self.write_image(item, f"leftImg8bit/{path}_leftImg8bit", suffix=".png")
        ids = self.read_ids(item)
        self.write_png(f"gtFine/{path}_gtFine_labelTrainIds.png", ids)
        if self._is_cityscapes:
            self.write_png(f"gtFine/{path}_gtFine_labelIds.png", self._label_ids.take(ids))
        self.write_weights(item, f"{path.removeprefix('train/')}")
