"""What a fault is: drawn at random, applied deterministically, and known to the pixel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from curate.corruptions.scene import Scene

STRENGTHS: Final = ("mild", "strong")
"""How bad a fault is; every kind has both."""

Ranges = dict[str, tuple[float, float]]
ImageAndLabel = tuple["NDArray[np.uint8]", "NDArray[np.uint8]"]


@dataclass(frozen=True, slots=True)
class Draw:
    """Parameters of one planting.

    Attributes
    ----------
    strength : str
        One of `STRENGTHS`.
    place : (H, W) bool
        Superpixels that a regional fault may change; everything for the other kinds.
    values : dict of str to float
        One value for each of the fault's ranges.
    share : float
        About which share of the superpixels or objects is to be spoiled.
    seed : int
        Start of whatever random numbers the fault needs beyond `values`.
    """

    strength: str
    place: NDArray[np.bool_]
    values: Mapping[str, float]
    share: float
    seed: int

    def rng(self) -> np.random.Generator:
        """Return a new generator, the same at every call."""
        return np.random.default_rng(self.seed)


@dataclass(frozen=True, slots=True)
class Corrupted:
    """A spoiled image.

    Attributes
    ----------
    image : (3, H, W) uint8
    label_map : (H, W) uint8
        255 just where it was 255 before.
    is_corrupted : (H, W) bool
        True just where a pixel has a class, and its colour or its class is another than before.
    """

    image: NDArray[np.uint8]
    label_map: NDArray[np.uint8]
    is_corrupted: NDArray[np.bool_]


class Corruption(ABC):
    """A kind of fault; a new one declares its ranges and writes `apply`."""

    ranges: ClassVar[dict[str, Ranges]]
    """For each of `STRENGTHS`, the range that each parameter is drawn from, uniformly."""

    is_regional: ClassVar[bool] = True
    """Whether it happens in superpixels, which are then drawn for it."""

    parts_label: ClassVar[bool] = False
    """Whether the label no longer says what is in the image; else it is the look that is wrong."""

    @abstractmethod
    def apply(self, scene: Scene, draw: Draw) -> ImageAndLabel:
        """Return the new image and the new label map; the same for the same `draw`.

        Arrays of `scene` must not be changed. Pixels without a class may be recoloured (a blurred
        region has no sharp holes); giving them a class, or taking a class away, is undone.
        """

    def sample(
        self, scene: Scene, rng: np.random.Generator, *, strength: str, share: float = 0.5
    ) -> Draw:
        """Draw parameters."""
        values = {name: float(rng.uniform(*span)) for name, span in self.ranges[strength].items()}
        seed = int(rng.integers(2**63))
        if self.is_regional:
            place = scene.pick_pieces(rng, share)
        else:
            place = np.ones(scene.label_map.shape, bool)
        return Draw(strength, place, values, share, seed)

    def inject(
        self, scene: Scene, rng: np.random.Generator, *, strength: str, share: float = 0.5
    ) -> Corrupted:
        """Draw parameters, apply them, and compare with what was there before.

        Parameters
        ----------
        strength : str
            One of `STRENGTHS`.
        share : float
            About which share of the superpixels or objects is to be spoiled, in [0, 1].
        """
        return self.realise(scene, self.sample(scene, rng, strength=strength, share=share))

    def realise(self, scene: Scene, draw: Draw) -> Corrupted:
        """Apply drawn parameters, and compare with what was there before."""
        image, label_map = self.apply(scene, draw)
        is_kept = ~scene.is_valid | (label_map == IGNORE_INDEX)
        label_map = np.where(is_kept, scene.label_map, label_map)
        is_changed = (image != scene.image).any(axis=0) | (label_map != scene.label_map)
        return Corrupted(image, label_map, is_changed & scene.is_valid)


def repaint(scene: Scene, draw: Draw, colours: NDArray[np.floating]) -> ImageAndLabel:
    """Put new colours, (3, H, W) in 0 .. 255 and rounded here, into the place that was drawn."""
    painted = np.rint(np.clip(colours, 0, 255)).astype(np.uint8)
    return np.where(draw.place, painted, scene.image), scene.label_map
