"""Faults in real images, at known pixels: what methods that prepare may learn from."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from curate.corruptions import STRENGTHS, Corruption, Mixture, Scene, choose_corruptions
from curate.methods import CorruptedImage
from curate.records import IGNORE_INDEX
from curate.seeding import stable_rng

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from curate.records import Batch

SHARES: Final = (0.2, 0.7)
"""Range of the share of an image's superpixels or objects that is spoiled."""


def inject_corruptions(
    real: Batch, seed: int, kinds: Sequence[str], times: int, most: int, folds: Sequence[int]
) -> Iterator[CorruptedImage]:
    """Yield every real image as it is, then with every kind at every strength, `times` over.

    Where these would be more than `most`, each image gets some of them in turn, so that all are
    planted about equally often. Donors are of the same fold: what is pasted is as new to a fold's
    witness as the image itself.
    """
    corruptions = _choose(kinds)
    plans = list(product(corruptions, STRENGTHS, range(times)))
    images, labels = real.images.numpy(), real.label_map.numpy()
    every = -(-len(images) * len(plans) // most)
    for row in range(len(images)):
        nothing = torch.zeros(labels[row].shape, dtype=torch.bool)
        yield CorruptedImage(row, real.images[row], real.label_map[row], nothing, parts_label=True)
        donors = [other for other, fold in enumerate(folds) if fold == folds[row] and other != row]
        for kind, strength, number in plans[-row % every :: every]:
            rng = stable_rng(seed, real.keys[row], kind, strength, number)
            donor = int(rng.choice(donors)) if donors else row
            scene = Scene(images[row], labels[row], images[donor], labels[donor])
            share = rng.uniform(*SHARES)
            injected = corruptions[kind].inject(scene, rng, strength=strength, share=share)
            yield CorruptedImage(
                row,
                torch.from_numpy(injected.image),
                torch.from_numpy(injected.label_map.astype(np.uint8)),
                torch.from_numpy(injected.is_corrupted),
                corruptions[kind].parts_label,
            )


def _choose(kinds: Sequence[str]) -> dict[str, Corruption]:
    """Look kinds up; a mixture is one of those named beside it, so that no other is planted."""
    corruptions = choose_corruptions(kinds)
    singles = [
        corruption for corruption in corruptions.values() if not isinstance(corruption, Mixture)
    ]
    return {
        kind: Mixture(singles) if singles and isinstance(corruption, Mixture) else corruption
        for kind, corruption in corruptions.items()
    }


def pick_pieces(
    image: Tensor, label_map: Tensor, share: float, rng: np.random.Generator
) -> Tensor | None:
    """Choose some superpixels of an image (3, H, W) uint8: (H, W) bool; None if it has no class."""
    own = image.numpy(), label_map.numpy()
    if (own[1] == IGNORE_INDEX).all():
        return None
    return torch.from_numpy(Scene(*own, *own).pick_pieces(rng, share))
