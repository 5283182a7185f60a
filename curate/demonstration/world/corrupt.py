"""Corrupt known parts of an image the way bad renderings and labels are bad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from curate.corruptions import CORRUPTIONS, Corrupted, LabelledImage, Mixture

if TYPE_CHECKING:
    from numpy.typing import NDArray

INJECTED: Final = ("style", "flat", "blur", "wrong_label", "wrong_label")
"""Corruptions that are mixed in synthetic images; wrong labels, which hurt most, are likelier."""

_SOUND_SHARE: Final = 0.4
"""Share of the synthetic images in which nothing is corrupted."""


def corrupt(
    image: NDArray[np.uint8], label_map: NDArray[np.uint8], rng: np.random.Generator
) -> Corrupted:
    """Leave two images of five as they are, and inject several corruptions into the others.

    `image` is (3, H, W) uint8, and `label_map` is (H, W) uint8.
    """
    if rng.random() < _SOUND_SHARE:
        return Corrupted(image, label_map, np.zeros(label_map.shape, bool))
    mixture = Mixture([CORRUPTIONS[name] for name in INJECTED])
    source = LabelledImage(image, label_map, donor_image=image, donor_label_map=label_map)
    return mixture.inject(source, rng, strength="strong", share=rng.uniform(0.4, 1))
