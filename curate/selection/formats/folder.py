"""The plainest layout: ``images/<id>.<suffix>`` and ``labels/<id>.png`` with class indices."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from curate.data import containers
from curate.records import IGNORE_INDEX
from curate.selection.placement import Format, SubsetItem, join_inside


class FolderFormat(Format):
    """Labels are 8-bit PNG files, 0 .. C-1 and 255 = ignore; no id map is needed to read them."""

    needs_label_maps = True

    def add(self, item: SubsetItem) -> None:
        """Write one image and its label."""
        suffix = PurePosixPath(item.image_path).suffix
        if containers.is_container(path := Path(item.image_path)):
            image = containers.read_image(Path(join_inside(self.placement.source.root, str(path))))
            target = self.placement.new_file(f"images/{item.id}.png")
            Image.fromarray(image).save(target, format="PNG")
        else:
            self.placement.place(item.image_path, f"images/{item.id}{suffix}")
        label_map = self.placement.source.read_label_map(item.label_path)
        if item.keep is not None:
            label_map = np.where(item.keep, label_map, np.uint8(IGNORE_INDEX))
        target = self.placement.new_file(f"labels/{item.id}.png")
        Image.fromarray(label_map).save(target, format="PNG")
