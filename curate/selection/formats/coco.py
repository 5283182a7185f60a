"""COCO: annotations of stuff as masks, and of panoptic segmentation as images.

https://cocodataset.org/#format-data. Category ids are class ids + 1, since 0 is no category in
many tools; what is ignored has no annotation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from curate.selection.dialect import Format, SubsetItem
from curate.selection.formats import long_json, run_lengths


class CocoStuffFormat(Format):
    """``images/`` and ``annotations/stuff_train.json``, a mask for each class of an image."""

    label_ids = ("classes", "train")
    annotations = "annotations/stuff_train.json"

    def start(self) -> None:
        """Begin the file of annotations."""
        self._images: list[dict[str, Any]] = []
        self._num_annotations = 0
        categories = [
            {"id": index + 1, "name": name, "supercategory": "stuff", "isthing": 0}
            for index, name in self.plan.label_ids.names.items()
        ]
        head = {"info": {"description": "a subset by curate"}, "categories": categories}
        file = self.open_files.enter_context(self.place.open(self.annotations))
        self._file = long_json.LongJson(file, head, "annotations")

    def add(self, item: SubsetItem) -> None:
        """Write one image and the annotations of its classes."""
        path, ids = self.write_image(item, f"images/{item.name}"), self.read_ids(item)
        height, width = ids.shape
        number = len(self._images) + 1
        name = path.removeprefix("images/")
        self._images.append({"id": number, "file_name": name, "height": height, "width": width})
        self.annotate(item, number, ids)
        self.write_weights(item)

    def annotate(
        self, _: SubsetItem, number: int, ids: np.ndarray[Any, np.dtype[np.uint8]]
    ) -> None:
        """Write the annotations of an image."""
        for found in run_lengths.describe_classes(ids, self.plan.label_ids.names):
            self._num_annotations += 1
            place = {"area": found["area"], "bbox": found["bbox"], "segmentation": found["rle"]}
            ids_of = {"image_id": number, "category_id": found["id"] + 1, "iscrowd": 0}
            self._file.add({"id": self._num_annotations, **ids_of, **place})

    def finish(self) -> None:
        """List the images."""
        self._file.finish({"images": self._images})


class CocoPanopticFormat(CocoStuffFormat):
    """``annotations/panoptic_train.json`` and an image of segments for each image.

    A class is one segment of its image; the red channel holds its id, 0 being ignored.
    """

    annotations = "annotations/panoptic_train.json"

    def annotate(
        self, item: SubsetItem, number: int, ids: np.ndarray[Any, np.dtype[np.uint8]]
    ) -> None:
        """Write the segments of an image."""
        name = f"{item.name}.png"
        segments = np.zeros((*ids.shape, 3), np.uint8)
        segments[..., 0] = ids + 1  # 255 wraps to 0
        self.write_png(f"annotations/panoptic_train/{name}", segments)
        infos = [
            {
                "id": found["id"] + 1,
                "category_id": found["id"] + 1,
                "area": found["area"],
                "bbox": found["bbox"],
                "iscrowd": 0,
            }
            for found in run_lengths.describe_classes(ids, self.plan.label_ids.names)
        ]
        self._file.add({"image_id": number, "file_name": name, "segments_info": infos})
