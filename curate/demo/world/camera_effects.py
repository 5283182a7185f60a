"""From painted colours to what a camera records: haze, exposure, vignetting, blur and noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from skimage.filters import gaussian

from curate.demo.world.texture import TILE_SIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.demo.world.canvas import Canvas
    from curate.demo.world.palette import Light


def expose(
    canvas: Canvas,
    light: Light,
    white_tile: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    shrink: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Turn a canvas into a photograph.

    Returns
    -------
    image, plain : (H / shrink, W / shrink, 3) float32
        In [0, 1]: the photograph, and the same without vignetting, blur and noise.
    """
    clear = np.exp(-canvas.distance_m / np.float32(light.haze_m))[..., None]
    colour = np.where(
        canvas.distance_m[..., None] >= 1e4,  # the sky has its own haze
        canvas.colour,
        light.haze + (canvas.colour * light.tint - light.haze) * clear,
    )
    corners = [colour[i::shrink, j::shrink] for i in range(shrink) for j in range(shrink)]
    exposure = rng.uniform(0.82, 1.12) * (1 + rng.uniform(-0.04, 0.04, 3))  # white balance
    plain = np.clip(sum(corners) * np.float32(exposure / shrink**2), 0, 1)

    height, width = plain.shape[:2]
    rows, columns = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    vignette = 1 - rng.uniform(0.08, 0.25) * (rows**2 + columns**2) / 2
    image = plain * vignette[..., None].astype(np.float32)
    image = gaussian(image, sigma=rng.uniform(0.35, 0.65), channel_axis=-1, mode="nearest")
    noise = np.float32(rng.uniform(0.035, 0.06)) * _grain(image.shape, white_tile, rng)
    return np.clip(image + noise * np.sqrt(image + np.float32(0.05)), 0, 1), plain


def _grain(
    shape: tuple[int, ...], tile: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Cut sensor noise of standard deviation 1/3 out of a tile, larger images by repeating it."""
    height, width, channels = shape
    rows = np.arange(height) % TILE_SIDE
    columns = np.arange(width) % TILE_SIDE
    layers = [
        np.roll(tile, tuple(rng.integers(0, TILE_SIDE, 2)), (0, 1))[np.ix_(rows, columns)]
        for _ in range(channels)
    ]
    return np.stack(layers, axis=-1)
