"""DAFormer, HRDA and MIC: train ids beside the labels, and which image shows how much of a class.

https://github.com/lhoyer/DAFormer (``tools/convert_datasets/gta.py`` writes the three files,
``mmseg/datasets/uda_dataset.py`` reads them and looks labels up by the last part of their path, so
names have no folders).
"""

from __future__ import annotations

import numpy as np

from curate.selection import dialect


class DaformerFormat(dialect.Format):
    """``images/<name>.png``, ``labels/<name>_labelTrainIds.png`` and three JSON files."""

    label_ids = ("classes", "train")

    def start(self) -> None:
        """Begin with nothing."""
        self._pixels: dict[str, dict[str, int]] = {}

    def add(self, item: dialect.SubsetItem) -> None:
        """Write one image and its label, and count the pixels of each class."""
        name, ids = item.flat_name, self.read_ids(item)
        label = f"labels/{name}_labelTrainIds.png"
        self.write_image(item, f"images/{name}", suffix=".png")
        self.write_png(label, ids)
        self.write_weights(item, name)
        counts = np.bincount(ids.ravel(), minlength=256)
        self._pixels[label] = {
            str(index): int(counts[index]) for index in self.plan.label_ids.names if counts[index]
        }

    def finish(self) -> None:
        """Write the pixels of each class, by image and by class."""
        with_class: dict[str, list[tuple[str, int]]] = {
            str(index): [] for index in self.plan.label_ids.names
        }
        for label, pixels in self._pixels.items():
            for index, count in pixels.items():
                with_class[index].append((label, count))
        self.place.write_json(
            "sample_class_stats.json",
            [pixels | {"file": label} for label, pixels in self._pixels.items()],
        )
        self.place.write_json("sample_class_stats_dict.json", self._pixels)
        self.place.write_json("samples_with_class.json", {k: v for k, v in with_class.items() if v})
