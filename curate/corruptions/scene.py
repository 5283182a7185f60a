"""What faults are planted in: an image, its label, and another image to take content from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_PIECES: Final = 60
"""Superpixels that an image is cut into, about."""
_FEW_ROWS: Final = 60
"""Rows of the coarse image that superpixels are cut in: 1 ms instead of 17 at 180x240."""
_OBJECT_SHARE: Final = (0.0005, 0.2)
"""Smallest and largest share of an image that counts as an object."""


@dataclass(frozen=True)
class Scene:
    """A labelled image and a donor.

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
    def pieces(self) -> NDArray[np.int64]:
        """Superpixel of each pixel, (H, W) int64, 0 .. with every number in use."""
        from skimage.segmentation import slic

        height, width = self.label_map.shape
        step = max(1, round(min(height, width) / _FEW_ROWS))
        coarse = np.ascontiguousarray(self.image[:, ::step, ::step].transpose(1, 2, 0))
        if min(coarse.shape[:2]) < 4:  # SLIC needs room for a cluster
            return np.zeros(self.label_map.shape, np.int64)
        cut = slic(coarse, n_segments=NUM_PIECES, compactness=10.0, start_label=0)
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

    def pick_pieces(self, rng: np.random.Generator, share: float) -> NDArray[np.bool_]:
        """Choose about `share` of the superpixels that have a class somewhere, at least one.

        Returns
        -------
        place : (H, W) bool
            All False where everything is ignored.
        """
        with_class = np.flatnonzero(np.bincount(self.pieces[self.is_valid]))
        return self._pick(self.pieces, with_class, rng, share)

    def pick_objects(self, rng: np.random.Generator, share: float) -> NDArray[np.bool_]:
        """Choose about `share` of the objects, at least one; all False where there is none."""
        return self._pick(self.objects, np.arange(1, self.objects.max() + 1), rng, share)

    def _pick(
        self,
        numbers: NDArray[np.int64],
        candidates: NDArray[np.int64],
        rng: np.random.Generator,
        share: float,
    ) -> NDArray[np.bool_]:
        """Choose some of the numbered parts."""
        count = min(len(candidates), max(1, round(share * len(candidates))))
        is_chosen = np.zeros(int(numbers.max()) + 1, bool)
        is_chosen[rng.choice(candidates, count, replace=False)] = True
        return np.asarray(is_chosen[numbers])
