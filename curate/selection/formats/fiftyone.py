"""FiftyOne's ImageSegmentationDirectory: ``data/`` and ``labels/``, paired by name.

https://docs.voxel51.com/user_guide/dataset_creation/datasets.html#imagesegmentationdirectory
"""

from __future__ import annotations

from curate.selection.dialect import Format, SubsetItem


class FiftyOneFormat(Format):
    """``mask_targets.json`` is for the ``default_mask_targets`` of the data set."""

    label_ids = ("classes", "train")

    def add(self, item: SubsetItem) -> None:
        """Write one image and its label."""
        self.write_image(item, f"data/{item.name}")
        self.write_label(item, f"labels/{item.name}")
        self.write_weights(item)

    def finish(self) -> None:
        """Write what ids mean."""
        self.place.write_json("mask_targets.json", self.plan.label_ids.names)
