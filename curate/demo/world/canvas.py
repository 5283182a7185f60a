"""A pinhole camera over a flat street, and the layers that things are painted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.draw import polygon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Pixels = tuple[NDArray[Any] | slice, NDArray[Any] | slice]

NEAR_M = 1.2
"""Nothing nearer to the camera than this is drawn."""


@dataclass(frozen=True, slots=True)
class Camera:
    """Pinhole camera that looks along the street; metres in the world, pixels on the canvas.

    World axes: x to the right, y up from the ground, z ahead.

    Attributes
    ----------
    focal_px : float
    height_m : float
    horizon_px, vanishing_px : float
        Row and column of the vanishing point.
    """

    focal_px: float
    height_m: float
    horizon_px: float
    vanishing_px: float

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Return row and column of a point of the world."""
        z = max(z, NEAR_M)
        row = self.horizon_px + self.focal_px * (self.height_m - y) / z
        return row, self.vanishing_px + self.focal_px * x / z


class Canvas:
    """Colour, class, object number and distance of every pixel.

    Parameters
    ----------
    height, width : int

    Attributes
    ----------
    colour : (H, W, 3) float32
        In [0, 1], before light, haze and camera.
    label_map : (H, W) uint8
    objects : (H, W) int32
        Number of the thing painted last.
    distance_m : (H, W) float32
    """

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)
        self.colour = np.zeros((height, width, 3), np.float32)
        self.label_map = np.zeros((height, width), np.uint8)
        self.objects = np.zeros((height, width), np.int32)
        self.distance_m = np.full((height, width), 1e4, np.float32)
        self._object = 0
        self._class_id = 0

    def begin(self, class_id: int) -> None:
        """Start a new thing: what follows is painted with its class and number."""
        self._object += 1
        self._class_id = class_id

    def pixels(self, outline: Sequence[tuple[float, float]]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return rows and columns of the pixels inside a polygon of (row, column) corners."""
        corners = np.asarray(outline, np.float64)
        rows, columns = polygon(corners[:, 0], corners[:, 1], self.shape)
        return rows, columns

    def ground(self, camera: Camera) -> tuple[int, NDArray[np.float32], NDArray[np.float32]]:
        """Return the first row below the horizon, and x and z in metres of all pixels from it."""
        first = int(np.ceil(camera.horizon_px + 0.5))
        rows, columns = (np.arange(side, dtype=np.float32) for side in self.shape)
        below = rows[first:, None] - np.float32(camera.horizon_px)
        z = np.repeat(camera.focal_px * camera.height_m / below, self.shape[1], axis=1)
        return first, (columns - np.float32(camera.vanishing_px)) * z / camera.focal_px, z

    def paint(
        self,
        pixels: Pixels,
        colour: NDArray[Any] | Sequence[float],
        distance_m: NDArray[Any] | float,
    ) -> None:
        """Paint pixels in the current class; `colour` is (3,) or (pixels, 3)."""
        self.colour[pixels] = colour
        self.label_map[pixels] = self._class_id
        self.objects[pixels] = self._object
        self.distance_m[pixels] = distance_m

    def fill(
        self, outline: Sequence[tuple[float, float]], colour: Sequence[float], distance_m: float
    ) -> None:
        """Fill a polygon with one colour."""
        self.paint(self.pixels(outline), colour, distance_m)

    def darken(self, outline: Sequence[tuple[float, float]], factor: float) -> None:
        """Throw a shadow on whatever is inside the polygon."""
        self.colour[self.pixels(outline)] *= factor
