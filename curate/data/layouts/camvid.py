"""CamVid as it came with SegNet: every split has a folder, and one named ``<split>annot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from curate.data.layouts.base import Evidence, Layout

if TYPE_CHECKING:
    from pathlib import Path


class CamVidLayout(Layout):
    """Layout whose folders are named by the splits that are there."""

    def find_folders(self, root: Path) -> list[tuple[str, str]]:
        """List ``(split, splitannot)`` of every split."""
        folders = {path.name for path in root.iterdir() if path.is_dir()}
        return [
            (name, f"{name}annot")
            for name in sorted(folders)
            if f"{name}annot" in folders and not name.startswith(".")
        ]

    def examine(self, root: Path) -> Evidence:
        """Tell whether any split is there."""
        splits = [images for images, _ in self.find_folders(root)]
        found = ", ".join(f"{name}/ and {name}annot/" for name in splits)
        return Evidence(
            is_match=bool(splits),
            looked_for=f"{self.images}/ and {self.labels}/",
            found=found or "no folder that has a twin ending in 'annot'",
        )


CAMVID: Final = CamVidLayout(
    name="camvid",
    images="<split>",
    labels="<split>annot",
    id_maps={"": "camvid"},
    class_set="camvid11",
)
