"""Datumaro's own format: ``images/train`` and ``annotations/train.json``.

https://docs.openvino.ai/datumaro (data formats, Datumaro): a mask is the run lengths of COCO. It
refuses images that are links out of the folder.
"""

from __future__ import annotations

from curate.selection.dialect import Format, SubsetItem
from curate.selection.formats import long_json, run_lengths


class DatumaroFormat(Format):
    """One mask for each class of an image; its label is the class id."""

    label_ids = ("classes", "train")
    media = ("hardlink", "copy", "none")
    weights = "weights/train"

    def start(self) -> None:
        """Begin the file of annotations."""
        labels = [
            {"name": name, "parent": "", "attributes": []} for name in self.plan.label_ids.texts
        ]
        head = {
            "dm_format_version": "1.0",
            "infos": {},
            "categories": {"label": {"labels": labels, "attributes": []}},
        }
        file = self.open_files.enter_context(self.place.open("annotations/train.json"))
        self._file = long_json.LongJson(file, head, "items")

    def add(self, item: SubsetItem) -> None:
        """Write one image and its masks."""
        path, ids = self.write_image(item, f"images/train/{item.name}"), self.read_ids(item)
        masks = [
            {"id": number, "type": "mask", "attributes": {}, "group": number, "z_order": 0}
            | {"label_id": found["id"], "rle": found["rle"]}
            for number, found in enumerate(
                run_lengths.describe_classes(ids, self.plan.label_ids.names), start=1
            )
        ]
        image = {"path": path.removeprefix("images/train/"), "size": list(ids.shape)}
        self._file.add({"id": item.name, "annotations": masks, "image": image})
        self.write_weights(item)

    def finish(self) -> None:
        """End the file."""
        self._file.finish({})
