"""AdaptSegNet and ADVENT: ``images/``, ``labels/`` of equal names, and a list of the names.

https://github.com/wasidennis/AdaptSegNet (``dataset/gta5_dataset.py``),
https://github.com/valeoai/ADVENT (``advent/dataset/gta5.py``). Their loaders turn Cityscapes' ids
into train ids themselves, so ids stay as they are by default.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from curate import errors
from curate.selection import dialect
from curate.selection.formats.lists import Lines

LIST_NAME = "train.txt"


class AdaptSegNetFormat(dialect.Format):
    """Each line of ``train.txt`` is the name of an image below ``images/``, a label's too."""

    label_ids = ("raw", "classes", "train")

    def start(self) -> None:
        """Begin with nothing."""
        self._names = Lines()

    def add(self, item: dialect.SubsetItem) -> None:
        """Write one image and its label under one name."""
        suffix = PurePosixPath(item.label_path).suffix.lower()
        if self.plan.label_ids.kind == "raw" and suffix != ".png":
            msg = (
                f"{item.original(item.label_path)} is no PNG, as --format adaptsegnet needs with "
                "--label-ids raw: use --label-ids classes."
            )
            raise errors.DataError(msg, code="unreadable_label")
        self.write_image(item, f"images/{item.name}", suffix=".png")
        self.write_label(item, f"labels/{item.name}")
        self._names.add(f"{item.name}.png")
        self.write_weights(item)

    def finish(self) -> None:
        """Write the list."""
        self.place.write(LIST_NAME, self._names.encode())
