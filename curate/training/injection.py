"""Corruptions in real images, at known pixels: what methods that prepare may learn from."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from curate import corruptions
from curate.records import IGNORE_INDEX
from curate.seeding import stable_rng

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from curate.methods import Injected
    from curate.records import Batch

SHARES: Final = (0.2, 0.7)
"""Range of the share of an image's superpixels or objects that is corrupted."""


def inject_corruptions(
    real: Batch, seed: int, names: Sequence[str], times: int, most: int, folds: Sequence[int]
) -> Iterator[Injected]:
    """Yield every real image as it is, then with every corruption at every strength, `times` over.

    Where these would be more than `most`, each image gets some of them in turn, so that all are
    injected about equally often. Donors are of the same fold: what is pasted is as new to a
    fold's reference segmenter as the image itself.
    """
    chosen = _choose(names)
    plans = list(product(chosen, corruptions.STRENGTHS, range(times)))
    images, labels = real.images.numpy(), real.label_map.numpy()
    every = -(-len(images) * len(plans) // most)
    for row in range(len(images)):
        nothing = np.zeros(labels[row].shape, bool)
        yield row, corruptions.Corrupted(images[row], labels[row], nothing), True
        donors = [other for other, fold in enumerate(folds) if fold == folds[row] and other != row]
        for name, strength, number in plans[-row % every :: every]:
            rng = stable_rng(seed, real.keys[row], name, strength, number)
            donor = int(rng.choice(donors)) if donors else row
            source = corruptions.LabelledImage(
                images[row], labels[row], images[donor], labels[donor]
            )
            share = rng.uniform(*SHARES)
            corrupted = chosen[name].inject(source, rng, strength=strength, share=share)
            yield row, corrupted, chosen[name].is_mismatch


def _choose(names: Sequence[str]) -> dict[str, corruptions.Corruption]:
    """Look corruptions up; a mixture is of those named beside it, so that no other is injected."""
    chosen = corruptions.choose_corruptions(names)
    singles = [each for each in chosen.values() if not isinstance(each, corruptions.Mixture)]
    return {
        name: corruptions.Mixture(singles)
        if singles and isinstance(each, corruptions.Mixture)
        else each
        for name, each in chosen.items()
    }


def choose_superpixels(
    image: Tensor, label_map: Tensor, share: float, rng: np.random.Generator
) -> Tensor | None:
    """Choose some superpixels of an image (3, H, W) uint8: (H, W) bool; None if it has no class."""
    own = image.numpy(), label_map.numpy()
    if (own[1] == IGNORE_INDEX).all():
        return None
    return torch.from_numpy(corruptions.LabelledImage(*own, *own).choose_superpixels(rng, share))
