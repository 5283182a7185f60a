"""The original names and layout, so that whatever read the original reads the subset."""

from __future__ import annotations

from curate.selection.placement import Format, SubsetItem


class OriginalFormat(Format):
    """Every file where it is in the data set; rewritten labels in their own file format."""

    places_only = True

    def add(self, item: SubsetItem) -> None:
        """Write one image and its label."""
        self.placement.place(item.image_path, item.image_path)
        if item.keep is None:
            self.placement.place(item.label_path, item.label_path)
        else:
            self.placement.mask_label(item.label_path, item.keep)
