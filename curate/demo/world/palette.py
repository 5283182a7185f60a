"""What one image of the world is like: its street, its light, and how often things occur."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASS_NAMES: Final = ("sky", "building", "pole", "road", "pavement", "vegetation", "car")
"""Classes of the drawn world; people are ignored."""

SKY, BUILDING, POLE, ROAD, PAVEMENT, VEGETATION, CAR = range(len(CLASS_NAMES))
PERSON: Final = IGNORE_INDEX

_NOON: Final = np.array((1, 1, 1), np.float32)
_EVENING: Final = np.array((1, 0.90, 0.72), np.float32)
_BLUE: Final = np.array((0.30, 0.48, 0.78), np.float32)
_GREY: Final = np.array((0.74, 0.76, 0.79), np.float32)
_DAY_HORIZON: Final = np.array((0.74, 0.83, 0.92), np.float32)
_EVENING_HORIZON: Final = np.array((0.98, 0.80, 0.60), np.float32)


@dataclass(frozen=True, slots=True)
class Composition:
    """How a set of images is composed; the real and the synthetic set differ here.

    Attributes
    ----------
    camera_m : (float, float)
        Range of the camera's height.
    num_cars, num_trees, num_poles, num_people : float
        Means of Poisson numbers.
    """

    camera_m: tuple[float, float]
    num_cars: float
    num_trees: float
    num_poles: float
    num_people: float


REAL: Final = Composition((1.25, 1.6), num_cars=4, num_trees=4.5, num_poles=4, num_people=1.5)
SYNTHETIC: Final = Composition((1.5, 2.1), num_cars=6, num_trees=4, num_poles=4, num_people=1.0)


@dataclass(frozen=True, slots=True)
class Light:
    """Weather and time of day.

    Attributes
    ----------
    side : float
        Where the sun stands, -1 left .. 1 right of the street.
    strength : float
        Share of direct light, 0 overcast .. 0.6 clear.
    tint, zenith, haze : (3,) float32
        Colour of direct light, of the sky above, and of the sky at the horizon.
    clouds : float
        Cover, 0 .. 1.
    haze_m : float
        Distance at which 63 % of the light comes from the haze.
    """

    side: float
    strength: float
    tint: NDArray[np.float32]
    zenith: NDArray[np.float32]
    haze: NDArray[np.float32]
    clouds: float
    haze_m: float

    def on_face(self, normal_x: float) -> float:
        """Return the brightness of an upright face; `normal_x` is 1 if it looks right."""
        return 1 - 0.75 * self.strength + self.strength * max(0.0, normal_x * self.side)


@dataclass(frozen=True, slots=True)
class Street:
    """Cross-section of a street, in metres from the camera to the right.

    Attributes
    ----------
    left_kerb, right_kerb : float
    verge : float
        Width of the strip of grass behind each kerb; 0 = none.
    pavement : float
        Width from the kerb to the buildings, verge included.
    """

    left_kerb: float
    right_kerb: float
    verge: float
    pavement: float

    @property
    def middle(self) -> float:
        """Where the centre line is."""
        return (self.left_kerb + self.right_kerb) / 2

    def kerb(self, side: int) -> float:
        """Return the kerb on the left (-1) or right (1)."""
        return self.left_kerb if side < 0 else self.right_kerb


def draw_light(rng: np.random.Generator) -> Light:
    """Draw weather and time of day, from grey noon to golden evening."""
    cover = float(np.clip(rng.uniform(-0.15, 1.15), 0, 1))
    evening = float(rng.uniform(0, 1) ** 2)
    horizon = _mix(_DAY_HORIZON, _EVENING_HORIZON, evening)
    return Light(
        side=float(rng.choice([-1, 1]) * rng.uniform(0.3, 1)),
        strength=0.6 * (1 - cover),
        tint=_mix(_NOON, _EVENING, evening),
        zenith=_mix(_BLUE, _GREY, cover),
        haze=_mix(horizon, _GREY, cover),
        clouds=cover,
        haze_m=float(rng.uniform(70, 260)),
    )


def _mix(
    first: NDArray[np.float32], second: NDArray[np.float32], share: float
) -> NDArray[np.float32]:
    """Blend two colours; `share` is that of the second."""
    return first + (second - first) * np.float32(share)


def draw_street(rng: np.random.Generator) -> Street:
    """Draw the widths of a street and where in it the camera stands."""
    half = rng.uniform(3.0, 5.2)
    offset = rng.choice([-1, 1]) * rng.uniform(0.2, 0.6) * half
    verge = rng.uniform(0.8, 1.8) if rng.random() < 0.35 else 0.0
    return Street(
        left_kerb=float(offset - half),
        right_kerb=float(offset + half),
        verge=float(verge),
        pavement=float(verge + rng.uniform(1.8, 4.0)),
    )
