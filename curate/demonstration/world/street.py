"""One street: composed at random, painted far to near, photographed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.demonstration.world import things
from curate.demonstration.world.backdrop import paint_ground, paint_houses, paint_sky
from curate.demonstration.world.canvas import Canvas

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Painter = Callable[[Canvas, float, float], None]


@dataclass(frozen=True, slots=True)
class Composition:
    """How a set of images is composed; the real and the synthetic set differ here.

    Attributes
    ----------
    camera_m : (float, float)
        Range of the camera's height.
    cars, trees, poles, people : float
        Means of Poisson numbers.
    """

    camera_m: tuple[float, float]
    cars: float
    trees: float
    poles: float
    people: float


REAL: Final = Composition((1.25, 1.6), cars=4, trees=4.5, poles=4, people=3)
SYNTHETIC: Final = Composition((1.5, 2.1), cars=6, trees=4, poles=4, people=2.5)


def draw_street(
    composition: Composition,
    size: tuple[int, int],
    tiles: tuple[NDArray[np.float32], ...],
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Compose, paint and photograph one street.

    Parameters
    ----------
    size : (int, int)
        Height and width in pixels.
    tiles : tuple of (TILE_SIDE, TILE_SIDE) float32
        Of `draw_tiles`.

    Returns
    -------
    image : (3, H, W) uint8
    label_map : (H, W) uint8
    """
    canvas = Canvas(size, rng.uniform(*composition.camera_m), tiles, rng)
    half, pavement = rng.uniform(3.0, 5.2), rng.uniform(2.0, 4.5)
    offset = rng.choice([-1, 1]) * rng.uniform(0.2, 0.6) * half  # the camera keeps to one lane
    kerbs = (offset - half, offset + half)
    paint_sky(canvas)
    paint_ground(canvas, kerbs)
    for edge in (kerbs[0] - pavement, kerbs[1] + pavement):
        paint_houses(canvas, edge)
    for paint, x, z in sorted(
        _place(composition, kerbs, pavement, rng), key=lambda thing: -thing[2]
    ):
        paint(canvas, x, z)
    return canvas.photograph()


def _place(
    composition: Composition,
    kerbs: tuple[float, float],
    pavement: float,
    rng: np.random.Generator,
) -> list[tuple[Painter, float, float]]:
    """Place what stands in the street: how to paint it, x and z."""
    placed: list[tuple[Painter, float, float]] = []
    for paint, mean, reach, far in (
        (things.paint_tree, composition.trees, pavement - 0.3, 45),
        (things.paint_pole, composition.poles, 0.8, 30),
        (things.paint_person, composition.people, pavement - 0.4, 20),
    ):
        for _ in range(rng.poisson(mean)):
            side = int(rng.integers(2))
            x = kerbs[side] + (-1, 1)[side] * rng.uniform(0.4, reach)
            placed.append((paint, x, np.exp(rng.uniform(np.log(5), np.log(far)))))
    lanes = np.array((1.0, 0.28 * (kerbs[1] - kerbs[0])))  # along the kerbs, and further in
    lanes = np.array((*(kerbs[0] + lanes), *(kerbs[1] - lanes)))
    cars = np.empty((0, 2))
    for _ in range(rng.poisson(composition.cars)):
        x, z = rng.choice(lanes), np.exp(rng.uniform(np.log(4.5), np.log(50)))
        is_overlapping = (np.abs(cars - (x, z)) < (2.1, 6)).all(axis=1).any()
        if not is_overlapping and (abs(x) > 1.6 or z > 8):  # that is where the camera drives
            cars = np.vstack((cars, (x, z)))
    return placed + [(things.paint_car, x, z) for x, z in cars]
