"""What stands in a street: trees, poles, people and cars."""

from __future__ import annotations

import numpy as np

from curate.demonstration.world.canvas import CAR, PERSON, POLE, TILE_SIDE, TREE, Canvas

_LEAVES = np.array([(0.24, 0.36, 0.14), (0.32, 0.42, 0.16), (0.20, 0.32, 0.18), (0.44, 0.40, 0.14)])
_SIGNS = np.array([(0.75, 0.10, 0.10), (0.12, 0.25, 0.62), (0.85, 0.72, 0.15)])
_CLOTHES = np.array([(0.15, 0.16, 0.22), (0.55, 0.18, 0.16), (0.3, 0.36, 0.48), (0.7, 0.66, 0.58)])
_PAINTS = np.array(
    [
        (0.85, 0.85, 0.86), (0.62, 0.63, 0.65), (0.16, 0.16, 0.18), (0.30, 0.32, 0.36),
        (0.60, 0.12, 0.12), (0.14, 0.22, 0.45), (0.18, 0.32, 0.24), (0.78, 0.70, 0.50),
    ]
)  # fmt: skip
_GLASS, _TYRE = (0.13, 0.16, 0.20), (0.07, 0.07, 0.08)

# In metres; corners of the side are (along, up).
_HALF, _LENGTH, _TOP, _WAIST = 0.88, 4.2, 1.43, 0.9
_CAR_SIDE = ((0, 0.28), (0, 0.9), (0.75, 1.43), (2.7, 1.43), (3.3, 0.95), (4.2, 0.82), (4.2, 0.28))
_CAR_SIDE_GLASS = ((0.60, 0.95), (1.02, 1.34), (2.6, 1.34), (3.05, 0.95))


def paint_tree(canvas: Canvas, x: float, z: float) -> None:
    """Paint a trunk and a ragged crown with a sunny and a shady side."""
    rng = canvas.rng
    radius = rng.uniform(1.1, 2.4)
    middle = rng.uniform(1.6, 2.6) + radius
    canvas.shade(x, z, radius, radius)
    trunk = canvas.rectangle(x, 0, middle, z, half=0.09 * radius + 0.04)
    canvas.fill(trunk, TREE, np.array((0.30, 0.25, 0.20)) * rng.uniform(0.7, 1.3), z)
    rows, columns = canvas.inside(canvas.disc(x, middle, z, 1.35 * radius))
    row, column = canvas.project(x, middle, z)
    scale = radius * canvas.focal_px / z
    dy, dx = (rows - row) / scale, (columns - column) / scale
    start = rng.uniform(0, TILE_SIDE, 2)
    leaf = canvas.noise(0, start[0] + 11 * radius * dy, start[1] + 11 * radius * dx)
    clump = canvas.noise(1, start[0] + 14 * radius * dy, start[1] + 14 * radius * dx)
    is_leaf = 1 - dy**2 - dx**2 + 0.7 * leaf + 0.5 * clump > 0.15
    tone = 0.85 + 0.55 * leaf + 0.30 * clump + 0.15 * (canvas.sun * dx - 0.6 * dy)
    green = _LEAVES[rng.integers(len(_LEAVES))] * rng.uniform(0.8, 1.3)
    colour = green * np.clip(tone, 0.25, 2)[:, None]
    canvas.paint((rows[is_leaf], columns[is_leaf]), TREE, colour[is_leaf], z)


def paint_pole(canvas: Canvas, x: float, z: float) -> None:
    """Paint a street lamp or a traffic sign."""
    rng = canvas.rng
    grey = np.array((0.34, 0.35, 0.36)) * rng.uniform(0.6, 1.5)
    is_lamp = rng.random() < 0.5
    height = rng.uniform(4.5, 7) if is_lamp else rng.uniform(2.5, 3.2)
    pole = canvas.rectangle(x, 0, height, z, half=rng.uniform(0.07, 0.12))
    canvas.fill(pole, POLE, grey, z)
    if is_lamp:
        inward = x - np.sign(x) * 0.6
        arm = canvas.rectangle(inward, height - 0.1, height + 0.15, z, half=0.7)
        canvas.fill(arm, POLE, grey, z)
    else:
        canvas.fill(canvas.disc(x, height, z, 0.42), POLE, _SIGNS[rng.integers(len(_SIGNS))], z)
        canvas.fill(canvas.disc(x, height, z, 0.26), POLE, (0.88, 0.88, 0.86), z)


def paint_person(canvas: Canvas, x: float, z: float) -> None:
    """Paint someone on foot."""
    rng = canvas.rng
    coat, trousers = _CLOTHES[rng.integers(len(_CLOTHES), size=2)]
    tall = rng.uniform(1.55, 1.9)
    canvas.shade(x, z, 0.3, 0.3)
    for leg in (-0.11, 0.11):
        canvas.fill(canvas.rectangle(x + leg, 0, 0.5 * tall, z, half=0.085), PERSON, trousers, z)
    canvas.fill(canvas.rectangle(x, 0.45 * tall, 0.85 * tall, z, half=0.24), PERSON, coat, z)
    canvas.fill(canvas.disc(x, 0.92 * tall, z, 0.12), PERSON, (0.72, 0.55, 0.45), z)


def paint_car(canvas: Canvas, x: float, z: float) -> None:
    """Paint a car: its shadow, the side towards the middle, then the end towards the camera."""
    rng = canvas.rng
    colour = _PAINTS[rng.integers(len(_PAINTS))] * rng.uniform(0.85, 1.15)
    lamp = (0.95, 0.93, 0.85) if rng.random() < 0.5 else (0.72, 0.08, 0.06)
    canvas.shade(x, z, _HALF + 0.15, _LENGTH)
    inner = x - np.sign(x) * _HALF
    turns = [(0.33 * np.cos(a), 0.33 + 0.33 * np.sin(a)) for a in np.linspace(0, 6.28, 12)]
    wheels = [[(hub + along, up) for along, up in turns] for hub in (0.8, 3.4)]
    body = colour * canvas.light_on(-np.sign(x))
    shapes = (_CAR_SIDE, _CAR_SIDE_GLASS, *wheels)
    for shape, paint in zip(shapes, (body, _GLASS, _TYRE, _TYRE), strict=True):
        outline = [canvas.project(inner, up, z + along) for along, up in shape]
        canvas.fill(outline, CAR, paint, z, rough=0.04)

    back = colour * canvas.light_on(0) * 0.92
    right = ((1, _WAIST, 0.0), (0.8, _TOP, 0.75), (0.8, _TOP, 2.7))
    roof = [*right, *((-across, up, along) for across, up, along in reversed(right))]
    outline = [canvas.project(x + _HALF * dx, y, z + dz) for dx, y, dz in roof]
    canvas.fill(outline, CAR, back * 1.1, z, rough=0.04)
    for low, high, wide, offset, paint in (
        (0.97, 1.33, 0.7, 0.0, _GLASS),
        (0.0, 0.4, 0.12, -0.76, _TYRE),
        (0.0, 0.4, 0.12, 0.76, _TYRE),
        (0.28, 0.9, _HALF, 0.0, back),
        (0.28, 0.45, _HALF, 0.0, back * 0.5),
        (0.62, 0.8, 0.12, -0.74, lamp),
        (0.62, 0.8, 0.12, 0.74, lamp),
        (0.46, 0.58, 0.26, 0.0, (0.85, 0.84, 0.70)),
    ):
        rectangle = canvas.rectangle(x + offset, low, high, z, half=wide)
        canvas.fill(rectangle, CAR, paint, z, rough=0.04)
