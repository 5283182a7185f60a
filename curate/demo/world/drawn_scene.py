"""One street: composed at random, painted far to near, seen through a camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from curate.demo.world.buildings import draw_row, paint_row
from curate.demo.world.camera_effects import expose
from curate.demo.world.canvas import Camera, Canvas
from curate.demo.world.cars import draw_car, paint_car
from curate.demo.world.ground import paint_ground, paint_sky, shade_ground
from curate.demo.world.palette import draw_light, draw_street
from curate.demo.world.texture import noise_tile
from curate.demo.world.things import paint_person, paint_pole, paint_tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from curate.demo.world.palette import Composition, Light, Street

_OVERSAMPLING = 2


@dataclass(frozen=True, slots=True)
class Tiles:
    """The noise that all textures of a world are made of."""

    white: NDArray[np.float32]
    fine: NDArray[np.float32]
    smooth: NDArray[np.float32]

    @property
    def pair(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Grain and stains."""
        return self.fine, self.smooth


@dataclass(frozen=True, slots=True)
class Scene:
    """A finished image.

    Attributes
    ----------
    image : (H, W, 3) float32
        As a camera saw it, in [0, 1].
    plain : (H, W, 3) float32
        The same without noise, blur and vignetting.
    label_map : (H, W) uint8
        Class indices, 255 = ignore.
    objects : (H, W) int32
        Number of the thing at each pixel.
    """

    image: NDArray[np.float32]
    plain: NDArray[np.float32]
    label_map: NDArray[np.uint8]
    objects: NDArray[np.int32]


def draw_tiles(rng: np.random.Generator) -> Tiles:
    """Draw the noise of a world, once for all its images."""
    return Tiles(*(noise_tile(rng, slope=slope) for slope in (0.0, 0.6, 1.5)))


def draw_scene(
    rng: np.random.Generator, composition: Composition, tiles: Tiles, size: tuple[int, int]
) -> Scene:
    """Compose and paint one street.

    Parameters
    ----------
    size : (int, int)
        Height and width in pixels.
    """
    height, width = (side * _OVERSAMPLING for side in size)
    canvas = Canvas(height, width)
    light, street = draw_light(rng), draw_street(rng)
    camera = Camera(
        focal_px=width * rng.uniform(0.75, 1.05),
        height_m=rng.uniform(*composition.camera_m),
        horizon_px=height * rng.uniform(0.40, 0.54),
        vanishing_px=width * rng.uniform(0.32, 0.68),
    )
    paint_sky(canvas, camera, light, tiles.smooth, rng)
    paint_ground(canvas, camera, street, tiles.pair, rng)
    _build(canvas, camera, light, street, tiles, rng)
    things = _things(canvas, camera, light, street, composition, tiles, rng)
    for _, paint in sorted(things, key=lambda thing: -thing[0]):
        paint()
    image, plain = expose(canvas, light, tiles.white, rng, shrink=_OVERSAMPLING)
    step = slice(None, None, _OVERSAMPLING)
    return Scene(image, plain, canvas.label_map[step, step], canvas.objects[step, step])


def _build(
    canvas: Canvas,
    camera: Camera,
    light: Light,
    street: Street,
    tiles: Tiles,
    rng: np.random.Generator,
) -> None:
    """Put a row of houses on each side; the row towards the sun shades the street."""
    rows = {side: draw_row(rng) for side in (-1, 1)}
    sunny_side = 1 if light.side > 0 else -1
    profile: list[tuple[float, float]] = []
    for house in rows[sunny_side]:
        profile += [(house.near_m, 0.0), (house.far_m, house.height_m)]
    edges = {side: street.kerb(side) + side * street.pavement for side in (-1, 1)}
    shade_ground(canvas, camera, light, edges[sunny_side], profile)
    for side, row in rows.items():
        paint_row(canvas, camera, light, edges[side], row, tiles.pair, rng)


def _things(
    canvas: Canvas,
    camera: Camera,
    light: Light,
    street: Street,
    composition: Composition,
    tiles: Tiles,
    rng: np.random.Generator,
) -> list[tuple[float, Callable[[], None]]]:
    """Place everything that stands in the street: its distance, and how to paint it."""
    things: list[tuple[float, Callable[[], None]]] = []

    def spot(low: float, high: float, nearest: float, farthest: float) -> tuple[float, float]:
        side = int(rng.choice([-1, 1]))
        x = street.kerb(side) + side * rng.uniform(low, high)
        return float(x), float(np.exp(rng.uniform(np.log(nearest), np.log(farthest))))

    for _ in range(rng.poisson(composition.num_trees)):
        x, z = spot(0.6, max(street.pavement - 0.3, 0.9), 5, 45)
        child = rng.spawn(1)[0]
        things.append((z, partial(paint_tree, canvas, camera, light, x, z, tiles.pair, child)))
    for _ in range(rng.poisson(composition.num_poles)):
        x, z = spot(0.3, 0.8, 4, 30)
        things.append((z, partial(paint_pole, canvas, camera, x, z, rng.spawn(1)[0])))
    for _ in range(rng.poisson(composition.num_people)):
        x, z = spot(0.4, max(street.pavement - 0.4, 0.8), 5, 25)
        things.append((z, partial(paint_person, canvas, camera, x, z, rng.spawn(1)[0])))
    for x, z in _parking(street, composition, rng):
        is_facing = bool((x < street.middle) ^ (rng.random() < 0.1))
        car = draw_car(rng, x, z, is_facing=is_facing)
        things.append((z, partial(paint_car, canvas, camera, light, car)))
    return things


def _parking(
    street: Street, composition: Composition, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Place cars in the lanes and along the kerbs so that none overlap."""
    half = (street.right_kerb - street.left_kerb) / 2
    columns = [street.left_kerb + 1.0, street.right_kerb - 1.0]
    columns += [street.middle - 0.45 * half, street.middle + 0.45 * half] if half > 4 else []
    taken: list[tuple[float, float]] = []
    for _ in range(rng.poisson(composition.num_cars)):
        x = columns[rng.integers(len(columns))] + rng.uniform(-0.15, 0.15)
        z = float(np.exp(rng.uniform(np.log(4.5), np.log(50))))
        if abs(x) < 1.6 and z < 8:
            continue  # that is where the camera drives
        if all(abs(z - other_z) > 6 or abs(x - other_x) > 2.1 for other_x, other_z in taken):
            taken.append((float(x), z))
    return taken
