"""nnU-Net v2: ``Dataset001_subset`` with ``imagesTr``, ``labelsTr`` and ``dataset.json``.

https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md: ids follow each
other from 0, the background, and the ignored one is the highest.
"""

from __future__ import annotations

import numpy as np

from curate.selection.dialect import Format, SubsetItem

_ROOT = "Dataset001_subset"
_BACKGROUND = "background"


class NnUnetFormat(Format):
    """With ``nnUNet_raw`` set to the subset it is data set 1.

    Ids are class indices + 1, as no pixel is background, or the indices if the first class is
    called so.
    """

    label_ids = ("classes",)
    weights = f"{_ROOT}/weightsTr"

    def start(self) -> None:
        """Give each class its number."""
        names = list(self.plan.label_ids.names.values())
        first = 0 if names[0] == _BACKGROUND else 1
        self._ids = np.full(256, len(names) + first, np.uint8)
        self._ids[: len(names)] = np.arange(len(names)) + first
        names = [*([_BACKGROUND] if first else []), *names, "ignore"]
        self._labels = {name: index for index, name in enumerate(names)}
        self._num_images = 0

    def add(self, item: SubsetItem) -> None:
        """Write one image and its label."""
        name = item.flat_name
        self.write_image(item, f"{_ROOT}/imagesTr/{name}_0000", suffix=".png")
        ids = self._ids.take(self.read_ids(item))
        self.write_png(f"{_ROOT}/labelsTr/{name}.png", ids)
        self.write_weights(item, name)
        self._num_images += 1

    def finish(self) -> None:
        """Say what channels and labels are."""
        about = {
            "channel_names": {"0": "R", "1": "G", "2": "B"},
            "labels": self._labels,
            "numTraining": self._num_images,
            "file_ending": ".png",
        }
        self.place.write_json(f"{_ROOT}/dataset.json", about)
