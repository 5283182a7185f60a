"""The original names and layout, so that whatever read the original reads the subset."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import Final

from curate.data import containers
from curate.data.idmaps import IdMap
from curate.data.layouts import companions
from curate.errors import DataError
from curate.selection.placement import Format, SubsetItem

TRAIN_IDS: Final = IdMap("train ids", {index: index for index in range(19)})
"""How companions are read: the 19 classes of Cityscapes, 255 = ignore."""


class OriginalFormat(Format):
    """Every file where it is in the data set; rewritten labels in their own file format.

    Train ids that a trainer's converter left beside a label come along, ignored where it is.
    """

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
        train_ids = companions.companion_of(item.label_path)
        has_train_ids = train_ids and os.path.isfile(self.placement.original(train_ids))  # noqa: PTH113
        if item.keep is None:
            self.placement.place(item.label_path, own_path(item.label_path))
            if has_train_ids:
                self.placement.place(train_ids, own_path(train_ids))
        else:
            self.placement.mask_label(item.label_path, item.keep)
            if has_train_ids:
                self.placement.mask_label(train_ids, item.keep, TRAIN_IDS)
