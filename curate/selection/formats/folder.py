"""The plainest layout: ``images/<name>.png`` (or ``.jpg``) and ``labels/<name>.png``."""

from __future__ import annotations

from curate.selection.dialect import Format, SubsetItem


class FolderFormat(Format):
    """Labels are 8-bit PNG files, 0 .. C-1 and 255 = ignore; no id map is needed to read them."""

    def add(self, item: SubsetItem) -> None:
        """Write one image and its label."""
        self.write_image(item, f"images/{item.name}")
        self.write_label(item, f"labels/{item.name}")
        self.write_weights(item)
