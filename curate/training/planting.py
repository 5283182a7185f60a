"""Faults in real images, at known pixels: what methods that prepare may learn from."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from curate.corruptions import STRENGTHS, Fault, Mixture, Scene, choose_faults
from curate.methods import PlantedImage
from curate.records import IGNORE_INDEX
from curate.seeding import stable_rng

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from curate.records import Batch

SHARES: Final = (0.2, 0.7)
"""Range of the share of an image's superpixels or objects that is spoiled."""


def plant_faults(
    real: Batch, seed: int, kinds: Sequence[str], times: int, most: int, folds: Sequence[int]
) -> Iterator[PlantedImage]:
    """Yield every real image as it is, then with every kind at every strength, `times` over.

    Where these would be more than `most`, each image gets some of them in turn, so that all are
    planted about equally often. Donors are of the same fold: what is pasted is as new to a fold's
    witness as the image itself.
    """
    faults = _choose(kinds)
    plans = list(product(faults, STRENGTHS, range(times)))
    images, labels = real.images.numpy(), real.label_map.numpy()
    every = -(-len(images) * len(plans) // most)
    for row in range(len(images)):
        nothing = torch.zeros(labels[row].shape, dtype=torch.bool)
        yield PlantedImage(row, real.images[row], real.label_map[row], nothing, parts_label=True)
        donors = [other for other, fold in enumerate(folds) if fold == folds[row] and other != row]
        for kind, strength, number in plans[-row % every :: every]:
            rng = stable_rng(seed, real.keys[row], kind, strength, number)
            donor = int(rng.choice(donors)) if donors else row
            scene = Scene(images[row], labels[row], images[donor], labels[donor])
            share = rng.uniform(*SHARES)
            planted = faults[kind].plant(scene, rng, strength=strength, share=share)
            yield PlantedImage(
                row,
                torch.from_numpy(planted.image),
                torch.from_numpy(planted.label_map.astype(np.uint8)),
                torch.from_numpy(planted.is_spoiled),
                faults[kind].parts_label,
            )


def _choose(kinds: Sequence[str]) -> dict[str, Fault]:
    """Look kinds up; a mixture is one of those named beside it, so that no other is planted."""
    faults = choose_faults(kinds)
    singles = [fault for fault in faults.values() if not isinstance(fault, Mixture)]
    return {
        kind: Mixture(singles) if singles and isinstance(fault, Mixture) else fault
        for kind, fault in faults.items()
    }


def pick_pieces(
    image: Tensor, label_map: Tensor, share: float, rng: np.random.Generator
) -> Tensor | None:
    """Choose some superpixels of an image (3, H, W) uint8: (H, W) bool; None if it has no class."""
    own = image.numpy(), label_map.numpy()
    if (own[1] == IGNORE_INDEX).all():
        return None
    return torch.from_numpy(Scene(*own, *own).pick_pieces(rng, share))
