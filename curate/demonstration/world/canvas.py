"""A canvas that things are painted on, far to near, and the camera that sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from skimage.draw import polygon
from skimage.filters import gaussian

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Outline = Sequence[tuple[float, float]]
    Pixels = tuple[NDArray[Any] | slice, NDArray[Any] | slice]

CLASS_NAMES: Final = ("road", "pavement", "building", "sky", "tree", "car", "pole", "person")
"""Classes of the drawn world."""

ROAD, PAVEMENT, BUILDING, SKY, TREE, CAR, POLE, PERSON = range(len(CLASS_NAMES))

NEAR_M: Final = 1.2
"""Nothing nearer to the camera than this is drawn."""

TILE_SIDE: Final = 256
OVERSAMPLING: Final = 2
"""Pixels of the canvas per pixel of the photograph, across and down."""


def noise_tile(rng: np.random.Generator, *, slope: float) -> NDArray[np.float32]:
    """Draw noise whose amplitude falls with frequency, tileable in both directions.

    Parameters
    ----------
    slope : float
        Amplitude falls as ``frequency ** -slope``: 0 is white, 1 cloudy, 2 very smooth.

    Returns
    -------
    tile : (TILE_SIDE, TILE_SIDE) float32
        In [-1, 1], with standard deviation about 1/3.
    """
    frequency = np.fft.fftfreq(TILE_SIDE) * TILE_SIDE
    radius = np.hypot(frequency[:, None], frequency[None, :])
    radius[0, 0] = np.inf  # no constant part
    spectrum = np.fft.fft2(rng.standard_normal((TILE_SIDE, TILE_SIDE))) * radius**-slope
    tile = np.fft.ifft2(spectrum).real
    return np.asarray(np.clip(tile / (3 * tile.std()), -1, 1), np.float32)


def draw_tiles(rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """Draw the noise of a world, once for all its images: grain and stains."""
    return noise_tile(rng, slope=0.6), noise_tile(rng, slope=1.5)


class Canvas:
    """Colour and class of every pixel of a street, under some light, seen by a pinhole camera.

    World axes, in metres: x to the right of the camera, y up from the ground, z ahead.

    Parameters
    ----------
    size : (int, int)
        Height and width of the photograph in pixels; the canvas has `OVERSAMPLING` times as many.
    camera_m : float
        Height of the camera above the ground.

    Attributes
    ----------
    colour : (H, W, 3) float32, in [0, 1]
    label_map : (H, W) uint8
    focal_px, horizon_px, vanishing_px : float
        Focal length; row and column of the vanishing point.
    sun : float
        Direct light from the left (-1) or right (1) of the street, 0 under clouds.
    clouds : float
        Cover, 0 .. 1.
    haze : (3,) float32
        Colour of the sky at the horizon, which hides distant things.
    """

    def __init__(
        self,
        size: tuple[int, int],
        camera_m: float,
        tiles: tuple[NDArray[np.float32], ...],
        rng: np.random.Generator,
    ) -> None:
        height, width = (side * OVERSAMPLING for side in size)
        self.colour = np.zeros((height, width, 3), np.float32)
        self.label_map = np.zeros((height, width), np.uint8)
        self.tiles, self.rng = tiles, rng
        self.camera_m = camera_m
        self.focal_px = width * rng.uniform(0.75, 1.05)
        self.horizon_px = height * rng.uniform(0.40, 0.54)
        self.vanishing_px = width * rng.uniform(0.32, 0.68)
        self.clouds = float(np.clip(rng.uniform(-0.15, 1.15), 0, 1))
        self.sun = float(rng.choice([-1, 1]) * rng.uniform(0.3, 1) * (1 - self.clouds))
        evening = rng.uniform(0, 1) ** 2
        self.tint = np.array([1, 1 - 0.10 * evening, 1 - 0.28 * evening], np.float32)
        clear = np.array([0.74 + 0.24 * evening, 0.83, 0.92 - 0.32 * evening], np.float32)
        self.haze = clear + np.float32(self.clouds) * (np.float32(0.76) - clear)
        self.haze_m = rng.uniform(70, 260)

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Return row and column of a point of the world."""
        z = max(z, NEAR_M)
        row = self.horizon_px + self.focal_px * (self.camera_m - y) / z
        return row, self.vanishing_px + self.focal_px * x / z

    def noise(self, tile: int, y: NDArray[Any], x: NDArray[Any]) -> NDArray[np.float32]:
        """Look noise up at real coordinates; a tile repeats without end."""
        rows, columns = (np.floor(at).astype(np.int32) % TILE_SIDE for at in (y, x))
        return np.asarray(self.tiles[tile].ravel()[rows * TILE_SIDE + columns])

    def light_on(self, normal_x: float) -> float:
        """Return the brightness of an upright face; `normal_x` is 1 if it looks right."""
        return 1 - 0.4 * abs(self.sun) + 0.6 * max(0.0, normal_x * self.sun)

    def paint(
        self, pixels: Pixels, class_id: int, colour: NDArray[Any], z: NDArray[Any] | float
    ) -> None:
        """Paint pixels, farther ones hazier; `colour` is (3,) or (pixels, 3)."""
        clear = np.exp(-np.asarray(z, np.float32) / self.haze_m)[..., None]
        self.colour[pixels] = self.haze + (colour * self.tint - self.haze) * clear
        self.label_map[pixels] = class_id

    def inside(self, outline: Outline) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return rows and columns of the pixels inside a polygon of (row, column) corners."""
        rows, columns = polygon(*np.transpose(outline), self.label_map.shape)
        return rows, columns

    def fill(
        self, outline: Outline, class_id: int, colour: ArrayLike, z: float, *, rough: float = 0.1
    ) -> None:
        """Fill a polygon with a colour; `rough` is the strength of its texture."""
        pixels = self.inside(outline)
        start = self.rng.uniform(0, TILE_SIDE, 2)
        grain = self.noise(0, start[0] + pixels[0], start[1] + pixels[1])
        self.paint(pixels, class_id, np.asarray(colour) * (1 + rough * grain)[:, None], z)

    def rectangle(self, x: float, low: float, high: float, z: float, *, half: float) -> Outline:
        """Outline an upright rectangle that faces the camera, at least a pixel wide."""
        (top, column), bottom = self.project(x, high, z), self.project(x, low, z)[0]
        wide = max(half * self.focal_px / z, 0.6)
        left, right = column - wide, column + wide
        return [(bottom, left), (bottom, right), (top, right), (top, left)]

    def disc(self, x: float, y: float, z: float, radius: float) -> Outline:
        """Outline an upright disc that faces the camera."""
        turns = np.linspace(0, 2 * np.pi, 16)
        return [self.project(x + radius * np.cos(a), y + radius * np.sin(a), z) for a in turns]

    def shade(self, x: float, z: float, half: float, length: float) -> None:
        """Darken the ground under a thing that stands there."""
        corners = ((-half, 0.0), (half, 0.0), (half, length), (-half, length))
        ground = [self.project(x + dx - 0.5 * self.sun, 0, z + dz) for dx, dz in corners]
        self.colour[self.inside(ground)] *= 0.6

    def photograph(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Expose, with vignetting, blur and sensor noise.

        Returns
        -------
        image : (3, h, w) uint8
        label_map : (h, w) uint8
        """
        rng, step = self.rng, OVERSAMPLING
        height, width = (side // step for side in self.label_map.shape)
        blocks = self.colour.reshape(height, step, width, step, 3)
        exposure = rng.uniform(0.82, 1.12) * (1 + rng.uniform(-0.04, 0.04, 3))  # white balance
        rows, columns = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        vignette = 1 - rng.uniform(0.08, 0.25) * (rows**2 + columns**2) / 2
        image = np.clip(blocks.mean(axis=(1, 3)) * exposure, 0, 1) * vignette[..., None]
        image = gaussian(image, sigma=rng.uniform(0.35, 0.65), channel_axis=-1, mode="nearest")
        noise = rng.uniform(0.012, 0.02) * rng.standard_normal(image.shape)
        image = np.clip(image + noise * np.sqrt(image + 0.05), 0, 1)
        pixels = np.rint(255 * image).astype(np.uint8).transpose(2, 0, 1)
        return pixels, self.label_map[::step, ::step].copy()
