"""Detail washed out."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from skimage.filters import gaussian

from curate.corruptions.base import Corruption, Draw, ImageAndLabel, repaint

if TYPE_CHECKING:
    from curate.corruptions.scene import Scene


class Blur(Corruption):
    """Gaussian blur; `sigma` in pixels."""

    ranges: ClassVar = {"mild": {"sigma": (0.8, 1.4)}, "strong": {"sigma": (2.5, 4.0)}}

    def apply(self, scene: Scene, draw: Draw) -> ImageAndLabel:
        """Blur the image, and keep what is in the place."""
        blurred = gaussian(
            scene.image.astype(np.float32),
            sigma=draw.values["sigma"],
            channel_axis=0,
            mode="nearest",
        )
        return repaint(scene, draw, blurred)
