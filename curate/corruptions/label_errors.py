"""Corruptions of the labels: wrong classes, shifted labels, objects too large or too small."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from curate.corruptions.content import spread
from curate.corruptions.corruption import Corruption, ImageAndLabel, LabelledImage, Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray


class WrongLabel(Corruption):
    """Each superpixel in the mask gets one other class of the image or of its donor.

    `near` is the chance that it is a class of the same image, which is easier to believe.
    `part` is the share of the mask that is really changed.
    """

    ranges: ClassVar = {
        "mild": {"near": (1, 1), "part": (0.4, 0.6)},
        "strong": {"near": (0.5, 0.5), "part": (1, 1)},
    }
    is_mismatch: ClassVar = True

    def change(self, source: LabelledImage, parameters: Parameters) -> ImageAndLabel:
        """Draw a class for each superpixel, never its most frequent one."""
        rng = parameters.rng()
        superpixels = source.superpixels
        own = np.unique(source.label_map[source.is_valid])
        new_class = np.zeros(int(superpixels.max()) + 1, np.uint8)
        is_changed = np.zeros(len(new_class), bool)
        for number in np.unique(superpixels[parameters.mask & source.is_valid]):
            is_near = rng.random() < parameters.values["near"]
            others = _others(own if is_near else source.classes, source, superpixels == number)
            if others.size:
                new_class[number] = rng.choice(others)
                is_changed[number] = rng.random() < parameters.values["part"]
        is_new = is_changed[superpixels]
        return source.image, np.where(is_new, new_class[superpixels], source.label_map)


def _others(
    classes: NDArray[np.uint8], source: LabelledImage, is_inside: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Classes that are not the most frequent one of a superpixel."""
    counts = np.bincount(source.label_map[is_inside & source.is_valid])
    return np.asarray(classes[classes != counts.argmax()])


class ShiftedLabel(Corruption):
    """The label map moved by `distance` of the shorter side, at least a pixel, into `angle`.

    `angle` in full circles. At the border the nearest label is repeated.
    """

    ranges: ClassVar = {
        "mild": {"distance": (0.015, 0.03), "angle": (0, 1)},
        "strong": {"distance": (0.06, 0.1), "angle": (0, 1)},
    }
    is_mismatch: ClassVar = True
    is_regional: ClassVar = False

    def change(self, source: LabelledImage, parameters: Parameters) -> ImageAndLabel:
        """Move the labels of the whole image."""
        height, width = source.label_map.shape
        distance = max(1.0, parameters.values["distance"] * min(height, width))
        angle = 2 * np.pi * parameters.values["angle"]
        down, across = round(distance * np.sin(angle)), round(distance * np.cos(angle))
        rows = np.clip(np.arange(height) - down, 0, height - 1)
        columns = np.clip(np.arange(width) - across, 0, width - 1)
        return source.image, source.label_map[np.ix_(rows, columns)]


class ErodedLabel(Corruption):
    """Objects whose label grows over its neighbours, and objects whose label shrinks.

    `reach` is how far, as a share of the shorter side, and at least a pixel.
    """

    ranges: ClassVar = {"mild": {"reach": (0.01, 0.02)}, "strong": {"reach": (0.04, 0.06)}}
    is_mismatch: ClassVar = True
    is_regional: ClassVar = False

    def change(self, source: LabelledImage, parameters: Parameters) -> ImageAndLabel:
        """Let half of the chosen objects grow, then let what surrounds the others grow."""
        rng = parameters.rng()
        chosen = source.choose_objects(rng, max(parameters.share, 0.5))
        is_shrinking = rng.random(int(source.objects.max()) + 1) < 0.5
        shrinking = chosen & is_shrinking[source.objects]
        growing = chosen & ~shrinking
        outside = source.is_valid & ~chosen
        steps = max(1, round(parameters.values["reach"] * min(chosen.shape)))
        grown = spread(growing, outside, steps=steps)
        shrunk = spread(outside, shrinking, steps=steps)
        return source.image, source.label_map.ravel()[np.where(shrinking, shrunk, grown)]
