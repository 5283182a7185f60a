"""Content that is too large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from curate.corruptions.base import Corruption, Draw, ImageAndLabel, repaint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.corruptions.scene import Scene


class WrongScale(Corruption):
    """Each superpixel's content magnified `factor` times about its middle."""

    ranges: ClassVar = {"mild": {"factor": (1.5, 1.9)}, "strong": {"factor": (3.0, 4.0)}}

    def apply(self, scene: Scene, draw: Draw) -> ImageAndLabel:
        """Read every pixel nearer to the middle of its superpixel."""
        height, width = scene.label_map.shape
        rows, columns = np.mgrid[:height, :width]
        y = _shrink(rows, scene.pieces, draw.values["factor"])
        x = _shrink(columns, scene.pieces, draw.values["factor"])
        return repaint(scene, draw, _read_between(scene.image, y, x))


def _shrink(
    positions: NDArray[Any], pieces: NDArray[np.int64], factor: float
) -> NDArray[np.float64]:
    """Move positions towards the mean of their piece."""
    groups = pieces.ravel()
    means = np.bincount(groups, weights=positions.ravel()) / np.bincount(groups)
    middle = means[pieces]
    return middle + (positions - middle) / factor


def _read_between(
    image: NDArray[np.uint8], y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Read an image at real positions inside it, bilinearly."""
    top, left = y.astype(np.intp), x.astype(np.intp)
    bottom = np.minimum(top + 1, image.shape[1] - 1)
    right = np.minimum(left + 1, image.shape[2] - 1)
    down, across = (y - top).astype(np.float32), (x - left).astype(np.float32)
    upper = image[:, top, left] * (1 - across) + image[:, top, right] * across
    lower = image[:, bottom, left] * (1 - across) + image[:, bottom, right] * across
    return np.asarray(upper * (1 - down) + lower * down, np.float32)
