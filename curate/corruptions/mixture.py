"""Several kinds in one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from curate.corruptions.base import Corruption, Draw, ImageAndLabel
from curate.corruptions.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Sequence


class Mixture(Corruption):
    """`count` of the given kinds, one after the other, each in its part of the share.

    Parameters
    ----------
    kinds : sequence of Fault
        Leave one out to tell how well it is found by whoever never saw it.
    """

    ranges: ClassVar = {"mild": {"count": (2, 3)}, "strong": {"count": (3, 5)}}
    is_regional: ClassVar = False

    def __init__(self, kinds: Sequence[Corruption]) -> None:
        self.kinds = tuple(kinds)

    def apply(self, scene: Scene, draw: Draw) -> ImageAndLabel:
        """Plant one kind in what the last one left."""
        rng = draw.rng()
        count = min(len(self.kinds), round(draw.values["count"]))
        image, label_map = scene.image, scene.label_map
        for index in rng.choice(len(self.kinds), count, replace=False):
            present = Scene(image, label_map, scene.donor_image, scene.donor_label_map)
            part = self.kinds[index].inject(
                present, rng, strength=draw.strength, share=draw.share / count
            )
            image, label_map = part.image, part.label_map
        return image, label_map
