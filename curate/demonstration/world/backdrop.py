"""Sky, ground and rows of houses: what is there before anything stands in the street."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.demonstration.world.canvas import BUILDING, PAVEMENT, ROAD, SKY, TILE_SIDE, Canvas

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WALLS = np.array(
    [
        (0.58, 0.38, 0.30), (0.66, 0.57, 0.46), (0.74, 0.71, 0.65), (0.52, 0.50, 0.50),
        (0.62, 0.48, 0.38), (0.72, 0.62, 0.50), (0.44, 0.36, 0.34), (0.60, 0.63, 0.66),
    ]
)  # fmt: skip
_BLUE, _GREY = np.array((0.30, 0.48, 0.78)), np.array((0.74, 0.76, 0.79))
_GLASS, _FRAME = np.array((0.16, 0.20, 0.25)), np.array((0.80, 0.79, 0.76))
_WHITE = np.array((0.82, 0.82, 0.79))


def paint_sky(canvas: Canvas) -> None:
    """Paint a gradient from the zenith to the horizon, with clouds in perspective."""
    start = canvas.rng.uniform(0, TILE_SIDE, 2)
    width = canvas.label_map.shape[1]
    rows, columns = np.ogrid[: int(canvas.horizon_px) + 2, :width]
    up = np.clip(1 - rows / canvas.horizon_px, 0.02, 1)
    zenith = _BLUE + canvas.clouds * (_GREY - _BLUE)
    colour = canvas.haze + (zenith - canvas.haze) * (up**0.7)[..., None]
    ahead = 1 / (up + 0.25)
    across = start[1] + 80 * (columns / width - 0.5) * ahead
    cloud = canvas.noise(1, start[0] + 40 * ahead, across)
    cover = 0.85 * np.clip(cloud * 1.8 + canvas.clouds - 0.35, 0, 1) * np.clip(up * 3, 0, 1)
    bright = 0.93 - 0.25 * canvas.clouds * (0.5 + cloud)
    colour = colour + cover[..., None] * (bright[..., None] - colour)
    canvas.paint((slice(0, len(rows)), slice(None)), SKY, colour / canvas.tint, 0)


def paint_ground(canvas: Canvas, kerbs: tuple[float, float]) -> None:
    """Paint road and pavement in the street's own metres; `kerbs` are left and right of it."""
    rng = canvas.rng
    first = int(np.ceil(canvas.horizon_px + 0.5))
    rows, columns = np.ogrid[first : len(canvas.label_map), : canvas.label_map.shape[1]]
    z = canvas.focal_px * canvas.camera_m / (rows - canvas.horizon_px)
    x = (columns - canvas.vanishing_px) * z / canvas.focal_px
    z = z + np.zeros_like(x)
    near = 1 / (1 + (z / 14) ** 2)  # fine texture melts with distance
    start = rng.uniform(0, TILE_SIDE, 4)
    grain = canvas.noise(0, start[0] + 9 * z, start[1] + 28 * x) * near
    stains = canvas.noise(1, start[2] + 2 * z, start[3] + 6 * x)

    asphalt = np.array((1, 1, 1.03)) * rng.uniform(0.30, 0.46)
    colour = asphalt * (1 + 0.22 * grain + 0.16 * stains)[..., None]
    marks = _mark_road(x, z, kerbs, rng) & (stains + grain < 0.55)
    colour[marks] = _WHITE * (0.9 + 0.2 * grain[marks])[:, None]
    outside = np.maximum(kerbs[0] - x, x - kerbs[1])  # metres beyond the kerb
    joints = ((x % 0.75 < 0.06) | (z % 0.75 < 0.10)) * near
    tone = 1 + 0.14 * grain + 0.10 * stains - 0.22 * joints + 0.2 * (outside < 0.22)
    slabs = np.array((1.04, 1, 0.95)) * rng.uniform(0.50, 0.66)
    is_road = outside < 0
    colour = np.where(is_road[..., None], colour, slabs * tone[..., None])
    label_map = np.where(is_road, ROAD, PAVEMENT)
    canvas.paint((slice(first, None), slice(None)), ROAD, colour, z)
    canvas.label_map[first:] = label_map


def _mark_road(
    x: NDArray[Any], z: NDArray[Any], kerbs: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Tell where paint is: a centre line, perhaps a zebra crossing."""
    from_middle = np.abs(x - sum(kerbs) / 2)
    marks = (from_middle < 0.09) & ((z + rng.uniform(0, 6)) % 6 < 2.8)
    if rng.random() < 0.3:
        start = rng.uniform(5, 16)
        marks |= (z > start) & (z < start + 3) & (x % 1.0 < 0.5)
    return np.asarray(marks)


def paint_houses(canvas: Canvas, edge_m: float) -> None:
    """Paint a row of houses whose fronts stand at `edge_m`, with gaps between some."""
    rng = canvas.rng
    ends, typical = [rng.uniform(-4, 6)], rng.uniform(5, 15)
    while ends[-1] < 60:
        ends.append(ends[-1] + rng.uniform(6, 15))
    for near, far in reversed(list(itertools.pairwise(ends))):
        if far < 2:
            continue
        near = max(near + (rng.uniform(3, 9) if rng.random() < 0.25 else 0), 1.5)
        if near < far:
            _paint_house(canvas, edge_m, near, far, typical * rng.uniform(0.65, 1.4))


def _paint_house(canvas: Canvas, edge_m: float, near: float, far: float, height: float) -> None:
    """Paint the gable that faces the camera, then the front along the street."""
    rng = canvas.rng
    side = 1 if edge_m > 0 else -1
    wall = _WALLS[rng.integers(len(_WALLS))] * rng.uniform(0.8, 1.15)
    gable = canvas.rectangle(edge_m + side * 7, 0, height, near, half=7)
    canvas.fill(gable, BUILDING, wall * canvas.light_on(0) * 0.95, near)

    corners = ((near, 0.0), (far, 0.0), (far, height), (near, height))
    pixels = canvas.inside([canvas.project(edge_m, y, z) for z, y in corners])
    reach = np.maximum(side * (pixels[1] - canvas.vanishing_px), 0.5)
    z = np.clip(canvas.focal_px * abs(edge_m) / reach, near, far)
    y = canvas.camera_m - (pixels[0] - canvas.horizon_px) * z / canvas.focal_px
    start, bay_m, storey_m = (
        rng.uniform(0, TILE_SIDE, 2),
        rng.uniform(1.6, 3),
        rng.uniform(2.7, 3.4),
    )
    grain = canvas.noise(0, start[0] + 22 * y, start[1] + 12 * z) / (1 + (z / 18) ** 2)
    stains = canvas.noise(1, start[0] + 5 * y, start[1] + 5 * z)
    ledges = (y > height - 0.45) | (y < 0.5)
    colour = wall * (1 + 0.3 * grain + 0.12 * stains + 0.18 * ledges)[:, None]
    bay, storey = np.divmod(z, bay_m), np.divmod(y, storey_m)
    off_centre, up = np.abs(bay[1] / bay_m - 0.5), storey[1] / storey_m
    is_window = (off_centre < 0.24) & (up > 0.30) & (up < 0.76) & (y > 0) & (y < height - 0.7)
    pane = canvas.noise(0, start[0] + storey[0], start[1] + bay[0])
    glass = _GLASS + (0.30 * np.maximum(pane + 0.2, 0) * up)[:, None]
    is_frame = (off_centre > 0.20) | (off_centre < 0.02) | (up > 0.72)
    window = np.where(is_frame[:, None], _FRAME, glass)
    colour = np.where(is_window[:, None], window, colour)
    canvas.paint(pixels, BUILDING, colour * canvas.light_on(-side), z)
