"""Ultralytics' semantic segmentation: ``images/train``, ``masks/train`` and ``data.yaml``.

https://docs.ultralytics.com/datasets/semantic: ``masks_dir`` takes the place of ``images`` in the
path of an image; 255 is ignored.
"""

from __future__ import annotations

import json

from curate.selection.dialect import Format, SubsetItem


class UltralyticsFormat(Format):
    """``yolo semantic train data=subset/data.yaml``; name your validation images under ``val``."""

    label_ids = ("classes", "train")
    weights = "weights/train"

    def add(self, item: SubsetItem) -> None:
        """Write one image and its label."""
        self.write_image(item, f"images/train/{item.name}")
        self.write_label(item, f"masks/train/{item.name}")
        self.write_weights(item)

    def finish(self) -> None:
        """Write the settings; paths are relative to their folder."""
        names = [
            f"  {index}: {json.dumps(name)}\n"
            for index, name in enumerate(self.plan.label_ids.texts)
        ]
        head = "train: images/train\nval: images/train # put your own here\nmasks_dir: masks\n"
        self.place.write("data.yaml", f"{head}names:\n{''.join(names)}".encode())
