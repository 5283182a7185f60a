"""Light that does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from curate.corruptions.base import Corruption, Draw, ImageAndLabel, repaint

if TYPE_CHECKING:
    from curate.corruptions.scene import Scene


class Light(Corruption):
    """Another gamma (`gamma` in octaves, up or down), colour temperature (`warmth`) and shadow.

    `warmth` is the share by which red gains what blue loses, or the reverse; `shadow` the share
    of light that is lost.
    """

    ranges: ClassVar = {
        "mild": {"gamma": (0.25, 0.4), "warmth": (0.06, 0.12), "shadow": (0.05, 0.15)},
        "strong": {"gamma": (0.8, 1.2), "warmth": (0.2, 0.4), "shadow": (0.3, 0.5)},
    }

    def apply(self, scene: Scene, draw: Draw) -> ImageAndLabel:
        """Look every grey value up in the curve of its channel."""
        darker, warmer = draw.rng().choice([-1.0, 1.0], 2)
        grey = np.linspace(0, 1, 256)
        warmth = warmer * draw.values["warmth"]
        gains = (1 - draw.values["shadow"]) * np.array([1 + warmth, 1, 1 - warmth])
        curves = 255 * gains[:, None] * grey**2 ** (darker * draw.values["gamma"])
        channels = [curve[channel] for curve, channel in zip(curves, scene.image, strict=True)]
        return repaint(scene, draw, np.stack(channels))
