"""Hugging Face's ImageFolder: ``train/metadata.jsonl`` names the image and the label of each row.

https://huggingface.co/docs/datasets/image_dataset: ``file_name`` becomes column ``image``,
``label_file_name`` column ``label``.
"""

from __future__ import annotations

import json

from curate.selection.dialect import Format, SubsetItem


class HuggingFaceFormat(Format):
    """``datasets.load_dataset("subset")`` has the columns image, label, id, score, weight."""

    label_ids = ("classes", "train")
    weights = "train/weights"

    def start(self) -> None:
        """Open the list of rows."""
        self._rows = self.open_files.enter_context(self.place.open("train/metadata.jsonl"))

    def add(self, item: SubsetItem) -> None:
        """Write one image, its label and its row."""
        row = {
            "file_name": self.write_image(item, f"train/images/{item.name}"),
            "label_file_name": self.write_label(item, f"train/labels/{item.name}"),
        }
        if self.plan.weight_of_255 is not None:
            self.write_weights(item)
            row["weights_file_name"] = f"{self.weights}/{item.name}.png"
        inside = {key: path.removeprefix("train/") for key, path in row.items()}
        self._rows.write(f"{json.dumps(inside | item.describe())}\n".encode())

    def finish(self) -> None:
        """Write what ids mean."""
        self.place.write_json("id2label.json", self.plan.label_ids.names)
