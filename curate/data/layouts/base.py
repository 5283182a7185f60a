"""What a layout is: where the images of a data set lie, and where each one's label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Evidence(NamedTuple):
    """Whether a folder has a layout, in words for the person whose folder it is."""

    is_match: bool
    looked_for: str
    found: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One way to lay out images and labels in folders.

    An image and its label have the same path below their two folders, up to the endings of their
    stems: with ``image_ending="_rgb"`` and ``id_maps={"_ids": ..}``, ``a/7_rgb.jpg`` belongs to
    ``a/7_ids.png``.

    Attributes
    ----------
    name : str
        What ``--layout`` calls it.
    images, labels : str
        The two folders, relative to the data set, ``/``-separated.
    id_maps : mapping of str to (str or None)
        Ending of a label's stem -> built-in id map of such labels, the preferred ending first;
        None = the class indices of the class set that is in use.
    image_ending : str
        What the stem of every image ends with.
    class_set : str or None
        Built-in class set that goes with the layout.
    is_specific : bool
        Whether a match outdoes the match of a layout that is not specific.
    """

    name: str
    images: str
    labels: str
    id_maps: Mapping[str, str | None]
    image_ending: str = ""
    class_set: str | None = None
    is_specific: bool = True

    def find_folders(self, root: Path) -> list[tuple[str, str]]:
        """List the pairs of an image folder and its label folder that `root` has."""
        has_both = (root / self.images).is_dir() and (root / self.labels).is_dir()
        return [(self.images, self.labels)] if has_both else []

    def examine(self, root: Path) -> Evidence:
        """Tell whether `root` has this layout, and why."""
        folders = (self.images, self.labels)
        found = [
            f"{name}/ is {'there' if (root / name).is_dir() else 'missing'}" for name in folders
        ]
        return Evidence(
            is_match=bool(self.find_folders(root)),
            looked_for=f"{self.images}/ and {self.labels}/",
            found=", ".join(found),
        )
