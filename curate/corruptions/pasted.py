"""Content of another image under the old label."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from curate.corruptions.base import Corruption, Draw, ImageAndLabel
from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.corruptions.scene import Scene


class Pasted(Corruption):
    """Pixels of the donor, where its class is known and differs from the label.

    The donor is moved by `down` and `across` of its size. `match` is how far the brightness and
    contrast of the pasted content are brought to those of the place.
    """

    ranges: ClassVar = {
        "mild": {"down": (0, 1), "across": (0, 1), "match": (0.7, 1)},
        "strong": {"down": (0, 1), "across": (0, 1), "match": (0, 0)},
    }
    parts_label: ClassVar = True

    def apply(self, scene: Scene, draw: Draw) -> ImageAndLabel:
        """Paste into the place."""
        rows, columns = self._positions(scene, draw)
        content = scene.donor_image[:, rows, columns].astype(np.float32)
        labels = scene.donor_label_map[rows, columns]
        differs = scene.is_valid & (labels != IGNORE_INDEX) & (labels != scene.label_map)
        place = draw.place & differs
        image = scene.image.copy()
        if place.any():
            pasted, there = content[:, place], scene.image[:, place].astype(np.float32)
            adapted = _match(pasted, there)
            mixed = pasted + np.float32(draw.values["match"]) * (adapted - pasted)
            image[:, place] = np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)
        return image, scene.label_map

    def _positions(self, scene: Scene, draw: Draw) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Row and column of the donor for each pixel: scaled to fit, moved, wrapped around."""
        axes = []
        for axis, name in enumerate(("down", "across")):
            length, donor_length = scene.label_map.shape[axis], scene.donor_label_map.shape[axis]
            scaled = np.arange(length) * donor_length // length
            offset = int(draw.values[name] * donor_length)
            axes.append((scaled + offset) % donor_length)
        return axes[0][:, None], axes[1][None, :]


def _match(pasted: NDArray[np.float32], there: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give colours, (3, P), the mean and spread of others, channel by channel."""
    scale = there.std(axis=1, keepdims=True) / np.maximum(pasted.std(axis=1, keepdims=True), 1)
    centred = pasted - pasted.mean(axis=1, keepdims=True)
    return np.asarray(centred * scale + there.mean(axis=1, keepdims=True))
