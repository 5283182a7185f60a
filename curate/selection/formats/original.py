"""The original names and layout, so that whatever read the original reads the subset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from curate.selection.formats.base import Format

if TYPE_CHECKING:
    from curate.selection.placement import SubsetItem


class OriginalFormat(Format):
    """Every file where it is in the data set; rewritten labels in their own file format."""

    places_only: ClassVar[bool] = True

    def add(self, item: SubsetItem) -> None:
        """Write one image and its label."""
        self.placement.place(item.image, item.image_path)
        if item.keep is None:
            self.placement.place(item.label, item.label_path)
        else:
            target = self.placement.new_file(item.label_path)
            self.placement.write_masked_label(Path(item.label), target, item.keep)
