"""Tiles of smooth noise, the raw material of every texture in the drawn world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TILE_SIDE: Final = 256


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
    scaled: NDArray[np.float32] = np.clip(tile / (3 * tile.std()), -1, 1).astype(np.float32)
    return scaled


def sample(tile: NDArray[np.float32], y: NDArray[Any], x: NDArray[Any]) -> NDArray[np.float32]:
    """Look a tile up at real coordinates (nearest cell, repeated without end)."""
    rows = np.floor(y).astype(np.int32) % TILE_SIDE
    columns = np.floor(x).astype(np.int32) % TILE_SIDE
    return np.asarray(tile.ravel()[rows * TILE_SIDE + columns])
