"""Sky, road, kerbs, pavement and verge: what fills the canvas before anything stands on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from curate.demo.world.palette import PAVEMENT, ROAD, SKY, VEGETATION
from curate.demo.world.texture import sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.demo.world.canvas import Camera, Canvas
    from curate.demo.world.palette import Light, Street

_WHITE = np.array((0.82, 0.82, 0.79), np.float32)


def paint_sky(
    canvas: Canvas,
    camera: Camera,
    light: Light,
    cloud_tile: NDArray[np.float32],
    rng: np.random.Generator,
) -> None:
    """Paint a gradient from the zenith to the horizon with clouds in perspective."""
    canvas.begin(SKY)
    height, width = canvas.shape
    last = int(camera.horizon_px) + 2
    rows, columns = (np.arange(side, dtype=np.float32) for side in (last, width))
    up = np.clip((camera.horizon_px - rows[:, None]) / max(camera.horizon_px, 1), 0.02, 1)
    colour = light.haze + (light.zenith - light.haze) * (up**0.7)[..., None]
    start = [float(at) for at in rng.uniform(0, 256, 2)]
    ahead = 1 / (up + 0.25)
    across = start[1] + 60 * (columns / height - width / height / 2) * ahead
    clouds = sample(cloud_tile, start[0] + 40 * ahead, across)
    cover = 0.85 * np.clip(clouds * 1.8 + light.clouds - 0.35, 0, 1) * np.clip(up * 3, 0, 1)
    bright = 0.93 - 0.25 * light.clouds * (0.5 + clouds)
    colour = colour + cover[..., None] * (bright[..., None] - colour)
    canvas.paint((slice(0, last), slice(None)), colour, 1e4)


def paint_ground(
    canvas: Canvas,
    camera: Camera,
    street: Street,
    tiles: tuple[NDArray[np.float32], NDArray[np.float32]],
    rng: np.random.Generator,
) -> None:
    """Paint everything below the horizon, texture and marks in the street's own metres."""
    first, x, z = canvas.ground(camera)
    fade = 1 / (1 + (z / 14) ** 2)  # fine texture melts with distance
    fine, smooth = tiles
    start = [float(at) for at in rng.uniform(0, 256, 4)]
    grain = sample(fine, start[0] + 9 * z, start[1] + 28 * x) * fade
    stains = sample(smooth, start[2] + 2 * z, start[3] + 6 * x)
    outside = np.maximum(street.left_kerb - x, x - street.right_kerb)  # metres beyond the kerb

    canvas.begin(ROAD)
    asphalt = _colour(1, 1, rng.uniform(1.0, 1.07)) * np.float32(rng.uniform(0.30, 0.46))
    tone = 1 + 0.22 * grain + 0.16 * stains - 0.06 * _wheel_tracks(x, street)
    canvas.paint((slice(first, None), slice(None)), asphalt * tone[..., None], z)
    marks = _road_marks(x, z, street, rng) & (outside < -0.15) & (stains + grain < 0.55)
    canvas.colour[first:][marks] = _WHITE * (0.9 + 0.2 * grain[marks, None])

    slabs = _colour(1.04, 1, rng.uniform(0.90, 0.99)) * np.float32(rng.uniform(0.50, 0.66))
    green = _colour(0.32, 0.44, 0.20) * np.float32(rng.uniform(0.8, 1.2))
    for is_here in (x < street.left_kerb, x > street.right_kerb):
        canvas.begin(PAVEMENT)
        _paint_pavement(canvas, first, np.nonzero(is_here), (x, z, grain, stains, outside), slabs)
        grass = np.nonzero(is_here & (outside > 0.22) & (outside < 0.22 + street.verge))
        canvas.begin(VEGETATION)
        tone = 1 + 0.45 * grain[grass] + 0.25 * stains[grass]
        canvas.paint((grass[0] + first, grass[1]), green * tone[:, None], z[grass])


def _paint_pavement(
    canvas: Canvas,
    first: int,
    here: tuple[NDArray[Any], ...],
    ground: tuple[NDArray[Any], ...],
    slabs: NDArray[np.float32],
) -> None:
    """Paint slabs with joints behind a lighter kerb."""
    x, z, grain, stains, outside = (values[here] for values in ground)
    joints = ((x % 0.75 < 0.06) | (z % 0.75 < 0.10)) / (1 + (z / 14) ** 2)
    tone = 1 + 0.14 * grain + 0.10 * stains - 0.22 * joints
    tone = np.where(outside < 0.22, 1.18 + 0.1 * grain, tone)
    canvas.paint((here[0] + first, here[1]), slabs * tone[:, None], z)


def shade_ground(
    canvas: Canvas, camera: Camera, light: Light, edge_m: float, profile: list[tuple[float, float]]
) -> None:
    """Darken the ground where a row of buildings keeps the sun away.

    Parameters
    ----------
    edge_m : float
        Where that row stands, in metres to the right.
    profile : list of (float, float)
        Far end and height in metres of each building, near to far; a gap has height 0.
    """
    if light.strength < 0.12:
        return
    first, x, z = canvas.ground(camera)
    ends, heights = np.array(profile, np.float32).T
    tall = heights[np.minimum(np.searchsorted(ends, z[:, 0]), len(ends) - 1)]
    reach = 0.9 * tall * abs(light.side) * light.strength
    shaded = np.sign(edge_m) * (edge_m - x) < reach[:, None]
    canvas.colour[first:][shaded] *= 1 - 0.75 * light.strength


def _colour(red: float, green: float, blue: float) -> NDArray[np.float32]:
    """Make a colour array."""
    return np.array((red, green, blue), np.float32)


def _wheel_tracks(x: NDArray[Any], street: Street) -> NDArray[Any]:
    """Return how worn the road is: darker where wheels roll."""
    lane = (street.right_kerb - street.left_kerb) / 2
    return np.cos(2 * np.pi * ((x - street.middle) / lane * 2)) ** 2


def _road_marks(
    x: NDArray[Any], z: NDArray[Any], street: Street, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Tell where paint is: a centre line, perhaps edge lines, perhaps a zebra crossing."""
    from_middle = np.abs(x - street.middle)
    is_solid = rng.random() < 0.25
    marks = (from_middle < 0.09) & (((z + rng.uniform(0, 6)) % 6 < 2.8) | is_solid)
    if rng.random() < 0.5:
        half = (street.right_kerb - street.left_kerb) / 2
        marks |= np.abs(from_middle - half + 0.45) < 0.07
    if rng.random() < 0.3:
        start = rng.uniform(5, 16)
        marks = np.where((z > start) & (z < start + 3), (x % 1.0) < 0.5, marks)
    return marks
