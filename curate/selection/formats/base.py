"""What an export format has to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from curate.selection.placement import Placement, SubsetItem


class Format(ABC):
    """Writes the selected images one after the other.

    Parameters
    ----------
    placement : Placement
    """

    needs_label_maps: ClassVar[bool] = False
    """Whether labels are rewritten as class indices."""

    places_only: ClassVar[bool] = False
    """Whether, where no label is rewritten, original files are placed and nothing else is done."""

    media: ClassVar[tuple[str, ...]] = ("symlink", "hardlink", "copy", "none")
    """Keys of `MEDIA` that make sense."""

    def __init__(self, placement: Placement) -> None:
        self.placement = placement

    @abstractmethod
    def add(self, item: SubsetItem) -> None:
        """Write one image and its label."""

    def finish(self) -> None:
        """Write what can be written only once all images are known."""
        return
