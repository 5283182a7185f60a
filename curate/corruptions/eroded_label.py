"""Labels of objects that are too large or too small."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from curate.corruptions.base import Corruption, Draw, ImageAndLabel
from curate.corruptions.spreading import spread

if TYPE_CHECKING:
    from curate.corruptions.scene import Scene


class ErodedLabel(Corruption):
    """Objects whose label eats its neighbours, and objects whose label is eaten by them.

    `reach` is how far, as a share of the shorter side, and at least a pixel.
    """

    ranges: ClassVar = {"mild": {"reach": (0.01, 0.02)}, "strong": {"reach": (0.04, 0.06)}}
    parts_label: ClassVar = True
    is_regional: ClassVar = False

    def apply(self, scene: Scene, draw: Draw) -> ImageAndLabel:
        """Let half of the chosen objects grow, then let what surrounds the others grow."""
        rng = draw.rng()
        chosen = scene.pick_objects(rng, max(draw.share, 0.5))
        is_eaten = rng.random(int(scene.objects.max()) + 1) < 0.5
        eaten = chosen & is_eaten[scene.objects]
        eating = chosen & ~eaten
        steps = max(1, round(draw.values["reach"] * min(chosen.shape)))
        grown = spread(eating, scene.is_valid & ~chosen, steps=steps)
        shrunk = spread(scene.is_valid & ~chosen, eaten, steps=steps)
        return scene.image, scene.label_map.ravel()[np.where(eaten, shrunk, grown)]
