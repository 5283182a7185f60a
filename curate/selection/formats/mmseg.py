"""MMSegmentation: ``img_dir/train``, ``ann_dir/train``, and the data set as a config.

https://mmsegmentation.readthedocs.io/en/latest/advanced_guides/add_datasets.html
"""

from __future__ import annotations

from curate.selection.dialect import Format, SubsetItem

CONFIG_NAME = "mmseg_dataset.py"


class MmsegFormat(Format):
    """A config with ``_base_ = "subset/mmseg_dataset.py"`` has the data set as ``dataset``."""

    label_ids = ("classes", "train")
    weights = "weight_dir/train"

    def add(self, item: SubsetItem) -> None:
        """Write one image and its label."""
        self.write_image(item, f"img_dir/train/{item.name}", suffix=self.plan.image_suffix)
        self.write_label(item, f"ann_dir/train/{item.name}")
        self.write_weights(item)

    def finish(self) -> None:
        """Write the config, which finds the data beside itself."""
        settings = {
            "type": "BaseSegDataset",
            "data_root": "{{ fileDirname }}",
            "data_prefix": {"img_path": "img_dir/train", "seg_map_path": "ann_dir/train"},
            "img_suffix": self.plan.image_suffix,
            "seg_map_suffix": ".png",
            "metainfo": {"classes": self.plan.label_ids.texts},
            "reduce_zero_label": False,
        }
        self.place.write(CONFIG_NAME, f"dataset = {settings!a}\n".encode())
