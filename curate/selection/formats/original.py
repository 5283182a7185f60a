"""The original names and layout, so that whatever read the original reads the subset."""

from __future__ import annotations

from pathlib import PurePosixPath

from curate.selection import dialect, variants


class OriginalFormat(dialect.Format):
    """Every file where it is in the data set; rewritten labels in their own file format.

    What other tools left beside a label goes along, masked alike, and so do files that say what
    its ids mean.
    """

    label_ids = ("raw", "classes", "train")
    places_only = True

    def start(self) -> None:
        """Begin with nothing."""
        self._variants = variants.Variants()
        self._placed: set[str] = set()

    def add(self, item: dialect.SubsetItem) -> None:
        """Write one image, its label and the variants of it."""
        self.place.place(item.original(item.image_path), item.inside(item.image_path))
        label = item.inside(item.label_path)
        if self.plan.label_ids.kind == "raw" or item.is_container:
            self._place_label(item, label)
        else:
            self.write_label(item, str(PurePosixPath(label).with_suffix("")))
        self.write_weights(item)

    def _place_label(self, item: dialect.SubsetItem, label: str) -> None:
        """Put the label there as it is, or masked, and its variants."""
        is_rewritten = item.keep is not None or self.plan.label_ids.kind != "raw"
        if item.is_container and not is_rewritten:
            return  # the image holds it
        dialect.place_label(self.place, item, label)
        for variant in self._variants.of(item):
            variant.place(self.place, item)
        for path in self._variants.legends_of(item):
            if item.inside(path) not in self._placed:
                self._placed.add(item.inside(path))
                self.place.place(item.original(path), item.inside(path))
