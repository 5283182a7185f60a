"""Colours of another style: few steps, wrong hue."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from curate.corruptions.base import Corruption, Draw, ImageAndLabel, repaint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.corruptions.scene import Scene


class Style(Corruption):
    """Posterised to `levels` a channel, after a turn of the hue by `turn` of a full circle."""

    ranges: ClassVar = {
        "mild": {"levels": (8, 12), "turn": (0.05, 0.1)},
        "strong": {"levels": (3, 5), "turn": (0.2, 0.8)},
    }

    def apply(self, scene: Scene, draw: Draw) -> ImageAndLabel:
        """Turn the hue, then round to the steps."""
        step = 255 / (round(draw.values["levels"]) - 1)
        turned = np.tensordot(_hue_turn(draw.values["turn"]), scene.image.astype(np.float32), 1)
        return repaint(scene, draw, np.rint(turned / step) * step)


def _hue_turn(turn: float) -> NDArray[np.float32]:
    """Matrix that turns colours about the axis of grey (Rodrigues' formula)."""
    angle = 2 * np.pi * turn
    axis = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    matrix = axis + np.cos(angle) * (np.eye(3) - axis) + np.sin(angle) * cross
    return np.asarray(matrix, np.float32)
