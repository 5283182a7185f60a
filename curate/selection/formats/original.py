"""The original names and layout, so that whatever read the original reads the subset."""

from __future__ import annotations

from pathlib import PurePosixPath

from curate.data import containers
from curate.errors import DataError
from curate.selection.placement import Format, SubsetItem


class OriginalFormat(Format):
    """Every file where it is in the data set; rewritten labels in their own file format."""

    places_only = True

    def add(self, item: SubsetItem) -> None:
        """Write one image and its label."""
        is_one_file = containers.is_container(PurePosixPath(item.image_path))
        if is_one_file and item.keep is not None:
            msg = (
                f"{item.image_path} holds an image and its label, which cannot be masked in place. "
                "Write the subset with --format folder, or select by image."
            )
            raise DataError(msg, code="container")
        own_path = self.placement.own_path
        self.placement.place(item.image_path, own_path(item.image_path))
        if is_one_file:
            return
        if item.keep is None:
            self.placement.place(item.label_path, own_path(item.label_path))
        else:
            self.placement.mask_label(item.label_path, item.keep)
