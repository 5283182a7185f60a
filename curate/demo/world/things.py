"""Trees, lamps, signs and people: upright things that always face the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from curate.demo.world.palette import PERSON, POLE, VEGETATION
from curate.demo.world.texture import sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.demo.world.canvas import Camera, Canvas
    from curate.demo.world.palette import Light

_LEAVES: Final = ((0.24, 0.36, 0.14), (0.32, 0.42, 0.16), (0.20, 0.32, 0.18), (0.44, 0.40, 0.14))
_SIGNS: Final = ((0.75, 0.10, 0.10), (0.12, 0.25, 0.62), (0.85, 0.72, 0.15))
_CLOTHES: Final = ((0.15, 0.16, 0.22), (0.55, 0.18, 0.16), (0.30, 0.36, 0.48), (0.70, 0.66, 0.58))


def paint_tree(
    canvas: Canvas,
    camera: Camera,
    light: Light,
    x: float,
    z: float,
    tiles: tuple[NDArray[np.float32], NDArray[np.float32]],
    rng: np.random.Generator,
) -> None:
    """Paint a trunk and a crown of leafy blobs with a sunny and a shady side."""
    radius = rng.uniform(1.1, 2.4)
    middle = rng.uniform(1.6, 2.6) + radius
    canvas.darken(_ellipse(camera, x - 0.6 * light.side, 0.0, z, radius, flat=True), 0.72)
    canvas.begin(VEGETATION)
    bark = np.array([0.30, 0.25, 0.20]) * rng.uniform(0.7, 1.3)
    _upright(canvas, camera, x, z, 0.09 * radius + 0.04, (0, middle), tuple(bark))

    scale = camera.focal_px / z
    row, column = camera.project(x, middle, z)
    reach = 1.35 * radius * scale
    top, left = int(max(row - reach, 0)), int(max(column - reach, 0))
    bottom = int(min(row + reach, canvas.shape[0]))
    right = int(min(column + reach, canvas.shape[1]))
    if top >= bottom or left >= right:
        return
    rows, columns = np.mgrid[top:bottom, left:right]
    dy, dx = (rows - row) / (radius * scale), (columns - column) / (radius * scale)
    body = np.full(dy.shape, -9.0)
    for _ in range(8):
        angle, out, size = rng.uniform(0, 6.28), rng.uniform(0.1, 0.75), rng.uniform(0.35, 0.6)
        away = (dy - out * np.sin(angle)) ** 2 + (dx - out * np.cos(angle)) ** 2
        body = np.maximum(body, 1 - away / size**2)
    start = rng.uniform(0, 256, 2)
    leaf = sample(tiles[0], start[0] + 11 * radius * dy, start[1] + 11 * radius * dx)
    clump = sample(tiles[1], start[1] + 14 * radius * dy, start[0] + 14 * radius * dx)
    inside = body + 0.7 * leaf + 0.3 * clump > 0.15
    sunny = light.side * dx - 0.6 * dy
    tone = 0.85 + 0.55 * leaf + 0.30 * clump + (0.15 + 0.35 * light.strength) * sunny
    green = np.array(_LEAVES[rng.integers(len(_LEAVES))]) * rng.uniform(0.8, 1.3)
    colour = green * np.clip(tone, 0.25, 2)[..., None]
    canvas.paint((rows[inside], columns[inside]), colour[inside], z)


def paint_pole(
    canvas: Canvas, camera: Camera, x: float, z: float, rng: np.random.Generator
) -> None:
    """Paint a street lamp, a traffic sign or a traffic light."""
    canvas.begin(POLE)
    grey = tuple(np.array([0.34, 0.35, 0.36]) * rng.uniform(0.6, 1.5))
    kind = rng.choice(["lamp", "sign", "light"], p=[0.45, 0.35, 0.2])
    height = rng.uniform(4.5, 7) if kind == "lamp" else rng.uniform(2.5, 3.2)
    _upright(canvas, camera, x, z, rng.uniform(0.07, 0.12), (0, height), grey)
    if kind == "lamp":
        inward = -np.sign(x) * rng.uniform(0.8, 1.6)
        arm = [(x, height), (x + inward, height + 0.15), (x + inward, height), (x, height - 0.2)]
        canvas.fill([camera.project(px, py, z) for px, py in arm], grey, z)
        _upright(canvas, camera, x + inward, z, 0.25, (height - 0.05, height + 0.18), grey)
    elif kind == "sign":
        paint = _SIGNS[rng.integers(len(_SIGNS))]
        canvas.fill(_ellipse(camera, x, height, z, 0.42), paint, z)
        canvas.fill(_ellipse(camera, x, height, z, 0.26), (0.88, 0.88, 0.86), z)
    else:
        _upright(canvas, camera, x, z, 0.2, (height - 0.1, height + 0.9), (0.10, 0.11, 0.11))
        lit, hue = ((0.15, (0.1, 0.7, 0.3)), (0.65, (0.85, 0.12, 0.08)))[int(rng.integers(2))]
        canvas.fill(_ellipse(camera, x, height + lit, z, 0.13), hue, z)


def paint_person(
    canvas: Canvas, camera: Camera, x: float, z: float, rng: np.random.Generator
) -> None:
    """Paint someone on foot; people carry no label."""
    canvas.begin(PERSON)
    coat, trousers = (_CLOTHES[i] for i in rng.integers(len(_CLOTHES), size=2))
    tall = rng.uniform(1.55, 1.9)
    for leg in (-0.11, 0.11):
        _upright(canvas, camera, x + leg, z, 0.085, (0, 0.5 * tall), trousers)
    _upright(canvas, camera, x, z, 0.24, (0.45 * tall, 0.85 * tall), coat)
    canvas.fill(_ellipse(camera, x, 0.92 * tall, z, 0.12), (0.72, 0.55, 0.45), z)


def _upright(
    canvas: Canvas,
    camera: Camera,
    x: float,
    z: float,
    half_m: float,
    span_m: tuple[float, float],
    colour: tuple[float, ...],
) -> None:
    """Fill an upright rectangle `half_m` to both sides of `x`, at least one pixel wide."""
    low, middle = camera.project(x, span_m[0], z)
    high, _ = camera.project(x, span_m[1], z)
    half = max(half_m * camera.focal_px / z, 0.6)
    corners = [(low, middle - half), (low, middle + half), (high, middle + half)]
    canvas.fill([*corners, (high, middle - half)], colour, z)


def _ellipse(
    camera: Camera, x: float, y: float, z: float, radius: float, *, flat: bool = False
) -> list[tuple[float, float]]:
    """Return the outline of an upright disc, or of one that lies on the ground."""
    turns = [(np.cos(a) * radius, np.sin(a) * radius) for a in np.linspace(0, 6.28, 16)]
    if flat:
        return [camera.project(x + across, y, z + 0.8 * along) for across, along in turns]
    return [camera.project(x + across, y + up, z) for across, up in turns]
