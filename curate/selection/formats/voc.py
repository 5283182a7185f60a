"""Pascal VOC: ``VOCdevkit/VOC2012`` with images, palette labels and a list of names.

http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf. Readers look for ``.jpg`` and go by
the content: images have that name whatever they hold.
"""

from __future__ import annotations

import numpy as np

from curate.selection.dialect import Format, SubsetItem, encode_image
from curate.selection.formats.lists import Lines

_ROOT = "VOCdevkit/VOC2012"


class VocFormat(Format):
    """Labels are indices into VOC's palette, 255 = void."""

    label_ids = ("classes", "train")
    weights = f"{_ROOT}/Weights"

    def start(self) -> None:
        """Make the palette."""
        self._palette = make_palette()
        self._names = Lines()

    def add(self, item: SubsetItem) -> None:
        """Write one image and its label."""
        path = f"{_ROOT}/JPEGImages/{item.name}.jpg"
        if item.is_plain:
            self.place.place(item.original(item.image_path), path)
        elif self.place.media != "none":
            self.place.write(path, encode_image(item.read_image()))
        label = f"{_ROOT}/SegmentationClass/{item.name}.png"
        self.write_png(label, self.read_ids(item), self._palette)
        self._names.add(item.name)
        self.write_weights(item)

    def finish(self) -> None:
        """Write the list, and the name and colour of each class."""
        self.place.write(f"{_ROOT}/ImageSets/Segmentation/train.txt", self._names.encode())
        lines = ["# label:color_rgb:parts:actions"]
        for index, name in self.plan.label_ids.names.items():
            text = " ".join(name.replace(":", " ").split())
            lines.append(f"{text}:{','.join(map(str, self._palette[index].tolist()))}::")
        self.place.write(f"{_ROOT}/labelmap.txt", "\n".join([*lines, ""]).encode())


def make_palette() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return VOC's colours, (256, 3): bits 0, 1 and 2 of an id are the highest of its colour.

    >>> make_palette()[[0, 1, 2, 15]].tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [192, 128, 128]]
    """
    ids = np.arange(256)[:, None] >> np.array([0, 1, 2])
    colours = sum(((ids >> 3 * place) & 1) << (7 - place) for place in range(8))
    return np.asarray(colours, np.uint8)
