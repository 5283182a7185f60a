"""Too much sensor noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from curate.corruptions.base import Corruption, Draw, ImageAndLabel, repaint

if TYPE_CHECKING:
    from curate.corruptions.scene import Scene


class Noise(Corruption):
    """Noise that grows with brightness, as photons do; `sigma` in grey values at full white."""

    ranges: ClassVar = {"mild": {"sigma": (10, 16)}, "strong": {"sigma": (28, 45)}}

    def apply(self, scene: Scene, draw: Draw) -> ImageAndLabel:
        """Add read noise and shot noise."""
        grain = draw.rng().standard_normal(scene.image.shape, dtype=np.float32)
        spread = np.float32(draw.values["sigma"]) * np.sqrt(0.2 + 0.8 * scene.image / 255)
        return repaint(scene, draw, scene.image + grain * spread)
