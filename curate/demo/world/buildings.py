"""Rows of houses on both sides: upright planes with bricks, windows and shop fronts."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.demo.world.palette import BUILDING
from curate.demo.world.texture import sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.demo.world.canvas import Camera, Canvas
    from curate.demo.world.palette import Light

_WALLS = np.array(
    [
        (0.58, 0.38, 0.30), (0.66, 0.57, 0.46), (0.74, 0.71, 0.65), (0.52, 0.50, 0.50),
        (0.62, 0.48, 0.38), (0.72, 0.62, 0.50), (0.44, 0.36, 0.34), (0.60, 0.63, 0.66),
    ],
    np.float32,
)  # fmt: skip
_GLASS = np.array((0.16, 0.20, 0.25), np.float32)
_FRAME = np.array((0.80, 0.79, 0.76), np.float32)


@dataclass(frozen=True, slots=True)
class House:
    """One house of a row.

    Attributes
    ----------
    near_m, far_m : float
        Extent along the street.
    height_m : float
    wall : (3,) float32
    bay_m, storey_m : float
        Distance between windows, across and up.
    has_bricks, has_shop : bool
    """

    near_m: float
    far_m: float
    height_m: float
    wall: NDArray[np.float32]
    bay_m: float
    storey_m: float
    has_bricks: bool
    has_shop: bool


def draw_row(rng: np.random.Generator) -> list[House]:
    """Draw the houses of one side, near to far, with gaps between some."""
    houses = []
    z = rng.uniform(-4, 6)
    typical = rng.uniform(5, 15)
    while z < 60:
        length = rng.uniform(6, 15)
        houses.append(
            House(
                near_m=float(z),
                far_m=float(z + length),
                height_m=float(np.clip(typical * rng.uniform(0.65, 1.4), 4, 22)),
                wall=_WALLS[rng.integers(len(_WALLS))] * np.float32(rng.uniform(0.8, 1.15)),
                bay_m=float(rng.uniform(1.6, 3.0)),
                storey_m=float(rng.uniform(2.7, 3.4)),
                has_bricks=bool(rng.random() < 0.6),
                has_shop=bool(rng.random() < 0.35),
            )
        )
        z += length + (rng.uniform(3, 9) if rng.random() < 0.25 else 0)
    return houses


def paint_row(
    canvas: Canvas,
    camera: Camera,
    light: Light,
    edge_m: float,
    houses: list[House],
    tiles: tuple[NDArray[np.float32], NDArray[np.float32]],
    rng: np.random.Generator,
) -> None:
    """Paint a row whose fronts stand at `edge_m`, far to near."""
    side = 1 if edge_m > 0 else -1
    for nearer, house in reversed(list(itertools.pairwise([None, *houses]))):
        if house is None or house.far_m < 2:
            continue
        canvas.begin(BUILDING)
        near = max(house.near_m, 1.5)
        offset = (float(rng.uniform(0, 256)), float(rng.uniform(0, 256)))
        is_hidden = nearer and nearer.far_m == house.near_m and nearer.height_m >= house.height_m
        if house.near_m > 1.5 and not is_hidden:
            gable = [(edge_m, near), (edge_m + side * 14, near)]
            pixels = canvas.pixels(_outline(camera, gable, house.height_m))
            rows, columns = (axis.astype(np.float32) for axis in pixels)
            x = (columns - camera.vanishing_px) * near / camera.focal_px
            y = camera.height_m - (rows - camera.horizon_px) * near / camera.focal_px
            colour = _wall_colours(house, np.abs(x - edge_m), y, near, tiles, offset)
            canvas.paint(pixels, colour * light.on_face(0) * 0.95, near)

        front = [(edge_m, near), (edge_m, house.far_m)]
        pixels = canvas.pixels(_outline(camera, front, house.height_m))
        rows, columns = (axis.astype(np.float32) for axis in pixels)
        reach = np.maximum(side * (columns - camera.vanishing_px), 0.5)
        z = np.clip(camera.focal_px * abs(edge_m) / reach, near, house.far_m)
        y = camera.height_m - (rows - camera.horizon_px) * z / camera.focal_px
        colour = _wall_colours(house, z - house.near_m, y, z, tiles, offset)
        canvas.paint(pixels, colour * light.on_face(-side), z)


def _outline(
    camera: Camera, base: list[tuple[float, float]], height_m: float
) -> list[tuple[float, float]]:
    """Return the corners of an upright rectangle over a line on the ground."""
    low = [camera.project(x, 0, z) for x, z in base]
    high = [camera.project(x, height_m, z) for x, z in reversed(base)]
    return low + high


def _wall_colours(
    house: House,
    along: NDArray[Any],
    y: NDArray[Any],
    z: NDArray[Any] | float,
    tiles: tuple[NDArray[np.float32], NDArray[np.float32]],
    offset: tuple[float, float],
) -> NDArray[Any]:
    """Return the colour of wall points `along` the street and `y` metres up."""
    fine, smooth = tiles
    fade = 1 / (1 + (z / 18) ** 2)
    dirt = sample(smooth, offset[0] + 5 * y, offset[1] + 5 * along)
    grain = sample(fine, offset[0] + 22 * y, offset[1] + 12 * along)
    tone = 1 + 0.12 * dirt + 0.16 * grain * fade
    if house.has_bricks:
        course = np.floor(y / 0.24)
        shifted = along / 0.5 + 0.5 * (course % 2)
        column = np.floor(shifted)
        mortar = (y - 0.24 * course < 0.05) | (shifted - column < 0.12)
        brick = sample(fine, offset[1] + course, offset[0] + column)
        tone += np.where(mortar, 0.16, 0.35 * brick) * fade
    tone += 0.18 * ((y > house.height_m - 0.45) | (y < 0.5))
    colour: NDArray[Any] = house.wall * tone[:, None]

    bay, storey = np.floor(along / house.bay_m), np.floor(y / house.storey_m)
    off_centre = np.abs(along / house.bay_m - bay - 0.5)
    up = y / house.storey_m - storey
    is_shop = house.has_shop & (storey == 0)
    window = (off_centre < 0.24) & (up > 0.30) & (up < 0.76) & (y > 0)
    window = np.where(is_shop, (off_centre < 0.43) & (up > 0.18) & (up < 0.78), window)
    inside = np.flatnonzero(window & (y < house.height_m - 0.7))
    up, off_centre = up[inside], off_centre[inside]
    pane = sample(fine, offset[0] + storey[inside], offset[1] + bay[inside])
    colour[inside] = _GLASS + (0.30 * np.maximum(pane + 0.2, 0) * up)[:, None]
    is_frame = (off_centre > 0.20) | (off_centre < 0.02) | (up > 0.72)
    colour[inside[is_frame & ~is_shop[inside]]] = _FRAME
    if house.has_shop:
        colour[is_shop & (y > 0.8 * house.storey_m)] = np.roll(house.wall, 1) * 0.8  # awning
    return colour
