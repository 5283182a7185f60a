"""What a corruption is, and the labelled images that it is injected into."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STRENGTHS: Final = ("mild", "strong")
"""How strong a corruption is; each one has both."""
NUM_SUPERPIXELS: Final = 60
"""Superpixels that an image is cut into, about."""
_COARSE_ROWS: Final = 60
"""Rows of the coarse image that superpixels are cut in: 1 ms instead of 17 at 180x240."""
_OBJECT_SHARE: Final = (0.0005, 0.2)
"""Smallest and largest share of an image that counts as an object."""

Ranges = dict[str, tuple[float, float]]
ImageAndLabel = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True)
class LabelledImage:
    """An image with its labels, and a donor: another image that content may be taken from.

    Attributes
    ----------
    image, donor_image : (3, H, W) uint8
        The donor may have another size.
    label_map, donor_label_map : (H, W) uint8
        Class indices, 255 = ignore.
    """

    image: NDArray[np.uint8]
    label_map: NDArray[np.uint8]
    donor_image: NDArray[np.uint8]
    donor_label_map: NDArray[np.uint8]

    @cached_property
    def is_valid(self) -> NDArray[np.bool_]:
        """Where the image has a class, (H, W) bool."""
        return np.not_equal(self.label_map, IGNORE_INDEX)

    @cached_property
    def classes(self) -> NDArray[np.uint8]:
        """Classes of image and donor, in order."""
        both = np.union1d(self.label_map, self.donor_label_map)
        return np.asarray(both[both != IGNORE_INDEX], np.uint8)

    @cached_property
    def superpixels(self) -> NDArray[np.int64]:
        """Superpixel of each pixel, (H, W) int64, 0 .. with every number in use."""
        from skimage.segmentation import slic

        height, width = self.label_map.shape
        step = max(1, round(min(height, width) / _COARSE_ROWS))
        coarse = np.ascontiguousarray(self.image[:, ::step, ::step].transpose(1, 2, 0))
        if min(coarse.shape[:2]) < 4:  # SLIC needs room for a cluster
            return np.zeros(self.label_map.shape, np.int64)
        cut = slic(coarse, n_segments=NUM_SUPERPIXELS, compactness=10.0, start_label=0)
        _, numbers = np.unique(cut, return_inverse=True)
        numbers = np.asarray(numbers, np.int64).reshape(cut.shape)
        return numbers.repeat(step, axis=0).repeat(step, axis=1)[:height, :width]

    @cached_property
    def objects(self) -> NDArray[np.int64]:
        """Number of the object at each pixel, (H, W) int64, 1 .. ; 0 = none.

        An object is a connected component of one class that is neither a speck nor a backdrop.
        """
        from skimage.measure import label

        components = np.asarray(label(self.label_map, background=IGNORE_INDEX, connectivity=1))
        area = np.bincount(components.ravel())
        smallest, largest = (share * self.label_map.size for share in _OBJECT_SHARE)
        is_object = (area >= max(2, smallest)) & (area <= largest)
        is_object[0] = False
        numbers = np.where(is_object, np.cumsum(is_object), 0)
        return np.asarray(numbers[components], np.int64)

    def repaint(self, mask: NDArray[np.bool_], colours: NDArray[np.floating]) -> ImageAndLabel:
        """Put new colours, (3, H, W) in 0 .. 255 and rounded here, into a mask (H, W)."""
        painted = np.rint(np.clip(colours, 0, 255)).astype(np.uint8)
        return np.where(mask, painted, self.image), self.label_map

    def choose_superpixels(self, rng: np.random.Generator, share: float) -> NDArray[np.bool_]:
        """Choose about `share` of the superpixels that have a class somewhere, at least one.

        Returns
        -------
        mask : (H, W) bool
            All False where everything is ignored.
        """
        with_class = np.flatnonzero(np.bincount(self.superpixels[self.is_valid]))
        return _choose(self.superpixels, with_class, rng, share)

    def choose_objects(self, rng: np.random.Generator, share: float) -> NDArray[np.bool_]:
        """Choose about `share` of the objects, at least one; all False where there is none."""
        return _choose(self.objects, np.arange(1, self.objects.max() + 1), rng, share)


def _choose(
    numbers: NDArray[np.int64],
    candidates: NDArray[np.int64],
    rng: np.random.Generator,
    share: float,
) -> NDArray[np.bool_]:
    """Choose some of the numbered parts of an image: (H, W) bool."""
    count = min(len(candidates), max(1, round(share * len(candidates))))
    is_chosen = np.zeros(int(numbers.max()) + 1, bool)
    is_chosen[rng.choice(candidates, count, replace=False)] = True
    return np.asarray(is_chosen[numbers])


@dataclass(frozen=True, slots=True)
class Parameters:
    """What one injection is drawn to be.

    Attributes
    ----------
    strength : str
        One of `STRENGTHS`.
    mask : (H, W) bool
        Superpixels that a regional corruption may change; everything for the others.
    values : dict of str to float
        One value for each of the corruption's ranges.
    share : float
        About which share of the superpixels or objects is to be corrupted.
    seed : int
        Start of whatever random numbers the corruption needs beyond `values`.
    """

    strength: str
    mask: NDArray[np.bool_]
    values: Mapping[str, float]
    share: float
    seed: int

    def rng(self) -> np.random.Generator:
        """Return a new generator, the same at every call."""
        return np.random.default_rng(self.seed)


@dataclass(frozen=True, slots=True)
class Corrupted:
    """An image into which a corruption was injected.

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
    """A way to corrupt images; a new one declares its ranges and writes `change`."""

    ranges: ClassVar[dict[str, Ranges]]
    """For each of `STRENGTHS`, the range that each parameter is drawn from, uniformly."""

    is_regional: ClassVar[bool] = True
    """Whether it happens in superpixels, which are then drawn for it."""

    is_mismatch: ClassVar[bool] = False
    """Whether label and image no longer match; else the appearance is wrong."""

    @abstractmethod
    def change(self, source: LabelledImage, parameters: Parameters) -> ImageAndLabel:
        """Return the new image and the new label map; the same for the same `parameters`.

        Arrays of `source` must not be changed. Pixels without a class may be recoloured (a blurred
        region has no sharp holes); giving them a class, or taking a class away, is undone.
        """

    def sample(
        self, source: LabelledImage, rng: np.random.Generator, *, strength: str, share: float = 0.5
    ) -> Parameters:
        """Draw parameters."""
        values = {name: float(rng.uniform(*span)) for name, span in self.ranges[strength].items()}
        seed = int(rng.integers(2**63))
        if self.is_regional:
            mask = source.choose_superpixels(rng, share)
        else:
            mask = np.ones(source.label_map.shape, bool)
        return Parameters(strength, mask, values, share, seed)

    def apply(self, source: LabelledImage, parameters: Parameters) -> Corrupted:
        """Apply drawn parameters, and compare with what was there before."""
        image, label_map = self.change(source, parameters)
        is_kept = ~source.is_valid | (label_map == IGNORE_INDEX)
        label_map = np.where(is_kept, source.label_map, label_map)
        is_changed = (image != source.image).any(axis=0) | (label_map != source.label_map)
        return Corrupted(image, label_map, is_changed & source.is_valid)

    def inject(
        self, source: LabelledImage, rng: np.random.Generator, *, strength: str, share: float = 0.5
    ) -> Corrupted:
        """Draw parameters and apply them.

        Parameters
        ----------
        strength : str
            One of `STRENGTHS`.
        share : float
            About which share of the superpixels or objects is to be corrupted, in [0, 1].
        """
        return self.apply(source, self.sample(source, rng, strength=strength, share=share))


class Mixture(Corruption):
    """`count` of the given corruptions, one after the other, each in its part of the share.

    Parameters
    ----------
    corruptions : sequence of Corruption
        Leave one out to measure how well it is found by a network that never saw it.
    """

    ranges: ClassVar = {"mild": {"count": (2, 3)}, "strong": {"count": (3, 5)}}
    is_regional: ClassVar = False

    def __init__(self, corruptions: Sequence[Corruption]) -> None:
        self.corruptions = tuple(corruptions)

    def change(self, source: LabelledImage, parameters: Parameters) -> ImageAndLabel:
        """Inject each one into what the last one left."""
        rng = parameters.rng()
        count = min(len(self.corruptions), round(parameters.values["count"]))
        image, label_map = source.image, source.label_map
        for index in rng.choice(len(self.corruptions), count, replace=False):
            present = LabelledImage(image, label_map, source.donor_image, source.donor_label_map)
            corrupted = self.corruptions[index].inject(
                present, rng, strength=parameters.strength, share=parameters.share / count
            )
            image, label_map = corrupted.image, corrupted.label_map
        return image, label_map
