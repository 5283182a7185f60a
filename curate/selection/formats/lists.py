"""Two text files with one absolute path a line, for trainers that read lists."""

from __future__ import annotations

import os

from curate.errors import StoreError
from curate.selection.placement import Format, Placement, SubsetItem

IMAGE_LIST = "images.txt"
LABEL_LIST = "labels.txt"


class ListFormat(Format):
    """``images.txt`` and ``labels.txt``; line n of both is the same image.

    They name the original files. Labels are written only where pixels were left out.
    """

    media = ("symlink", "none")

    def __init__(self, placement: Placement) -> None:
        super().__init__(placement)
        self._images: list[str] = []
        self._labels: list[str] = []

    def add(self, item: SubsetItem) -> None:
        """Note one image, and write its label if it changes."""
        label = self.placement.original(item.label_path)
        if item.keep is not None:
            self.placement.mask_label(item.label_path, item.keep)
            label = self.placement.final_path(self.placement.own_path(item.label_path))
        self._images.append(_line(self.placement.original(item.image_path)))
        self._labels.append(_line(label))

    def finish(self) -> None:
        """Write both lists."""
        for name, lines in ((IMAGE_LIST, self._images), (LABEL_LIST, self._labels)):
            text = "".join(f"{line}\n" for line in lines)
            self.placement.new_file(name).write_bytes(text.encode("utf-8", "surrogateescape"))


def _line(path: str) -> str:
    """Refuse a path that a list of lines cannot hold."""
    text = os.path.abspath(path)  # noqa: PTH100
    if len(text.splitlines()) != 1:
        msg = f"{text!a} holds a line break, which a list cannot. Rename it, or use another format."
        raise StoreError(msg)
    return text
