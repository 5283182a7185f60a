"""Labels that lie beside what they name."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from curate.corruptions.base import Corruption, Draw, ImageAndLabel

if TYPE_CHECKING:
    from curate.corruptions.scene import Scene


class ShiftedLabel(Corruption):
    """The label map moved by `distance` of the shorter side, at least a pixel, into `angle`.

    `angle` in full circles. At the border the nearest label is repeated.
    """

    ranges: ClassVar = {
        "mild": {"distance": (0.015, 0.03), "angle": (0, 1)},
        "strong": {"distance": (0.06, 0.1), "angle": (0, 1)},
    }
    parts_label: ClassVar = True
    is_regional: ClassVar = False

    def apply(self, scene: Scene, draw: Draw) -> ImageAndLabel:
        """Move the labels of the whole image."""
        height, width = scene.label_map.shape
        distance = max(1.0, draw.values["distance"] * min(height, width))
        angle = 2 * np.pi * draw.values["angle"]
        down, across = round(distance * np.sin(angle)), round(distance * np.cos(angle))
        rows = np.clip(np.arange(height) - down, 0, height - 1)
        columns = np.clip(np.arange(width) - across, 0, width - 1)
        return scene.image, scene.label_map[np.ix_(rows, columns)]
