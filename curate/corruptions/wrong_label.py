"""Whole regions under the name of another class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from curate.corruptions.base import Corruption, Draw, ImageAndLabel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.corruptions.scene import Scene


class WrongLabel(Corruption):
    """Each superpixel in the place gets one other class of the image or of its donor.

    `near` is the chance that it is a class of the same image, which is easier to believe.
    `part` is the share of the place that is really changed.
    """

    ranges: ClassVar = {
        "mild": {"near": (1, 1), "part": (0.4, 0.6)},
        "strong": {"near": (0.5, 0.5), "part": (1, 1)},
    }
    parts_label: ClassVar = True

    def apply(self, scene: Scene, draw: Draw) -> ImageAndLabel:
        """Draw a class for each superpixel, never its most frequent one."""
        rng = draw.rng()
        pieces = scene.pieces
        own = np.unique(scene.label_map[scene.is_valid])
        new_class = np.zeros(int(pieces.max()) + 1, np.uint8)
        is_changed = np.zeros(len(new_class), bool)
        for piece in np.unique(pieces[draw.place & scene.is_valid]):
            is_near = rng.random() < draw.values["near"]
            others = _others(own if is_near else scene.classes, scene, pieces == piece)
            if others.size:
                new_class[piece] = rng.choice(others)
                is_changed[piece] = rng.random() < draw.values["part"]
        label_map = np.where(is_changed[pieces], new_class[pieces], scene.label_map)
        return scene.image, label_map


def _others(
    classes: NDArray[np.uint8], scene: Scene, piece: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Classes that are not the most frequent one of a piece."""
    counts = np.bincount(scene.label_map[piece & scene.is_valid])
    return np.asarray(classes[classes != counts.argmax()])
