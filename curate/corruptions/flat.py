"""Surfaces without texture."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from curate.corruptions.base import Corruption, Draw, ImageAndLabel, repaint

if TYPE_CHECKING:
    from curate.corruptions.scene import Scene


class Flat(Corruption):
    """Each piece of one class in its mean colour; `loss` is how much of the texture is lost."""

    ranges: ClassVar = {"mild": {"loss": (0.5, 0.65)}, "strong": {"loss": (1, 1)}}

    def apply(self, scene: Scene, draw: Draw) -> ImageAndLabel:
        """Blend the image with the mean colours of its pieces."""
        key = scene.pieces * 256 + scene.label_map
        _, number = np.unique(key, return_inverse=True)
        number = number.ravel()
        pixels = scene.image.reshape(3, -1)
        sums = np.stack([np.bincount(number, weights=channel) for channel in pixels])
        means = (sums / np.bincount(number))[:, number].reshape(scene.image.shape)
        loss = draw.values["loss"]
        return repaint(scene, draw, (1 - loss) * scene.image + loss * means)
