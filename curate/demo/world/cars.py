"""Cars and vans: boxes with a profile, windows, wheels and lamps, seen from behind or ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.demo.world.palette import CAR

if TYPE_CHECKING:
    from curate.demo.world.canvas import Camera, Canvas
    from curate.demo.world.palette import Light

_PAINTS: Final = (
    (0.85, 0.85, 0.86), (0.62, 0.63, 0.65), (0.16, 0.16, 0.18), (0.30, 0.32, 0.36),
    (0.60, 0.12, 0.12), (0.14, 0.22, 0.45), (0.18, 0.32, 0.24), (0.78, 0.70, 0.50),
)  # fmt: skip
_GLASS: Final = (0.13, 0.16, 0.20)
_TYRE: Final = (0.07, 0.07, 0.08)
_DETAILED_M: Final = 22  # wheels and lamps of cars farther away are below a pixel

_CAR_SIDE: Final = (
    (0.0, 0.28), (0.0, 0.88), (0.3, 0.93), (0.9, 1.43), (2.7, 1.43), (3.3, 0.95), (4.2, 0.82),
    (4.2, 0.28),
)  # fmt: skip
_CAR_GLASS: Final = ((0.60, 0.95), (1.02, 1.34), (2.6, 1.34), (3.05, 0.95))
_VAN_SIDE: Final = ((0.0, 0.3), (0.0, 2.1), (3.7, 2.1), (4.5, 1.2), (4.9, 1.05), (4.9, 0.3))
_VAN_GLASS: Final = ((3.0, 1.25), (3.0, 1.85), (3.7, 1.85), (4.2, 1.25))


@dataclass(frozen=True, slots=True)
class Car:
    """A vehicle in the street; its near end is at (`x`, `z`), metres from the camera."""

    x: float
    z: float
    is_van: bool
    is_facing: bool
    paint: tuple[float, float, float]


def draw_car(rng: np.random.Generator, x: float, z: float, *, is_facing: bool) -> Car:
    """Draw kind and colour of a vehicle."""
    shade = rng.uniform(0.85, 1.15)
    red, green, blue = (float(min(1, c * shade)) for c in _PAINTS[rng.integers(len(_PAINTS))])
    return Car(x, z, bool(rng.random() < 0.15), is_facing, (red, green, blue))


def paint_car(canvas: Canvas, camera: Camera, light: Light, car: Car) -> None:
    """Paint a vehicle with its shadow: its inner side first, then the end that faces us."""
    profile, glass = (_VAN_SIDE, _VAN_GLASS) if car.is_van else (_CAR_SIDE, _CAR_GLASS)
    half, length, top = (0.98, 4.9, 2.1) if car.is_van else (0.88, 4.2, 1.43)
    sunward = -0.5 * light.side
    ground = [(-half - 0.1 + sunward, -0.1), (half + 0.1, -0.1), (half + 0.1, length)]
    ground.append((-half - 0.1 + sunward, length))
    canvas.darken([camera.project(car.x + dx, 0, car.z + dz) for dx, dz in ground], 0.5)

    canvas.begin(CAR)
    inner = car.x - half if car.x > 0 else car.x + half
    shade = light.on_face(-np.sign(car.x))
    _side(canvas, camera, inner, car, profile, _scaled(car.paint, shade))
    _side(canvas, camera, inner, car, glass, _GLASS)
    for hub in (0.8, length - 0.8) if car.z < _DETAILED_M else ():
        rim = [(hub + 0.33 * np.cos(a), 0.33 + 0.33 * np.sin(a)) for a in np.linspace(0, 6.28, 12)]
        _side(canvas, camera, inner, car, rim, _TYRE)
    _end(canvas, camera, light, car, half, top)


def _side(
    canvas: Canvas,
    camera: Camera,
    x: float,
    car: Car,
    shape: tuple[tuple[float, float], ...] | list[tuple[float, float]],
    colour: tuple[float, ...],
) -> None:
    """Fill a shape of (along, up) corners in the plane of the side at `x`."""
    outline = [camera.project(x, up, car.z + along) for along, up in shape]
    canvas.fill(outline, colour, car.z + 2)


def _end(canvas: Canvas, camera: Camera, light: Light, car: Car, half: float, top: float) -> None:
    """Paint the end that faces the camera: roof, boot or bonnet, window, lamps, plate."""
    back = _scaled(car.paint, light.on_face(0) * 0.92)
    waist = top - 0.55
    slope = 0.1 if car.is_van else 0.75

    def quad(
        left: float, right: float, low: float, high: float, narrow: float, lean: float
    ) -> list[tuple[float, float]]:
        lower = [camera.project(car.x + x, low, car.z) for x in (left, right)]
        upper = [camera.project(car.x + x * narrow, high, car.z + lean) for x in (right, left)]
        return lower + upper

    roof = [
        camera.project(car.x + x, top, car.z + z)
        for x, z in (
            (-0.8 * half, slope),
            (0.8 * half, slope),
            (0.8 * half, 2.7),
            (-0.8 * half, 2.7),
        )
    ]
    if camera.height_m > top:
        canvas.fill(roof, _scaled(car.paint, 1.12), car.z)
    canvas.fill(quad(-half, half, waist, top, 0.8, slope), back, car.z)
    inset = quad(-0.86 * half, 0.86 * half, waist + 0.06, top - 0.08, 0.84, slope * 0.9)
    canvas.fill(inset, _GLASS, car.z)
    for side in (-1, 1):
        tyre = sorted((side * half, side * (half - 0.22)))
        canvas.fill(quad(tyre[0], tyre[1], 0, 0.4, 1, 0), _TYRE, car.z)
    canvas.fill(quad(-half, half, 0.28, waist, 1, 0), back, car.z)
    canvas.fill(quad(-half, half, 0.28, 0.45, 1, 0), _scaled(car.paint, 0.5), car.z)
    if car.z > _DETAILED_M:
        return
    lamp = (0.95, 0.93, 0.85) if car.is_facing else (0.72, 0.08, 0.06)
    for side in (-1, 1):
        ends = sorted((side * half * 0.97, side * half * 0.70))
        canvas.fill(quad(ends[0], ends[1], 0.62, 0.80, 1, 0), lamp, car.z)
    canvas.fill(quad(-0.26, 0.26, 0.46, 0.58, 1, 0), (0.85, 0.84, 0.70), car.z)


def _scaled(colour: tuple[float, float, float], factor: float) -> tuple[float, ...]:
    """Brighten or darken a colour."""
    return tuple(min(1.0, channel * factor) for channel in colour)
