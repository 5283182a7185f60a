"""Witnesses: segmenters that learn from real images only, and say what a cell looks like.

A segmenter takes a patch for what its surroundings suggest, and so believes a wrong label or a
pasted piece that fits in. Witnesses therefore learn from images in which superpixels of other
images are pasted together with their labels: the surroundings no longer tell what a piece is.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from curate.models.schedule import warmup_cosine
from curate.records import IGNORE_INDEX
from curate.seeding import stable_rng, stable_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from torch import nn

    from curate.methods.base import SegmentationNetwork
    from curate.records import Batch

    PickPieces = Callable[[Tensor, Tensor, float, np.random.Generator], Tensor | None]

PASTED_SHARE: Final = 0.75
"""Share of the images of a step into which others are pasted."""
_PIECES: Final = (0.2, 0.6)
"""Range of the share of an image's superpixels that is pasted over."""
WEIGHT_DECAY: Final = 1e-2


def train_reference(
    reference: SegmentationNetwork,
    batches: Iterator[Batch],
    pick_pieces: PickPieces,
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    device: torch.device,
) -> Iterator[int]:
    """Train a step a batch; yields the number of finished steps.

    Parameters
    ----------
    witness : Module
        On the device; ends in evaluation mode.
    batches : iterator of Batch
        Randomly changed real images.
    pick_pieces : callable
        As of `Preparation`.
    steps : int
        How many batches there are.
    learning_rate : float
        Peak of a one-cycle schedule.
    """
    module: nn.Module = reference  # type: ignore[assignment]
    groups = reference.parameter_groups(learning_rate, WEIGHT_DECAY)
    optimizer = torch.optim.AdamW(groups)
    schedule = LambdaLR(optimizer, partial(warmup_cosine, steps=steps))
    for step, batch in enumerate(batches):
        torch.manual_seed(stable_seed(seed, "step", step))
        images, labels = paste_pieces(batch, pick_pieces, stable_rng(seed, "pieces", step))
        module.train()
        logits = reference(images.to(device).float() / 255).logits.float()
        pixels = F.interpolate(logits, size=list(labels.shape[1:]), mode="bilinear")
        losses = F.cross_entropy(
            pixels, labels.long().to(device), ignore_index=IGNORE_INDEX, reduction="none"
        )
        loss = losses.sum() / (labels != IGNORE_INDEX).sum().clamp(min=1).to(device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        module.eval()
        yield step + 1


def paste_pieces(
    batch: Batch, pick_pieces: PickPieces, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Paste superpixels of other images of the batch, with their labels, into most images.

    What is pasted comes from anywhere in the other image: it is moved by a random distance.

    Returns
    -------
    images : (N, 3, H, W) uint8
    label_map : (N, H, W) uint8
    """
    images, labels = batch.images.clone(), batch.label_map.clone()
    height, width = labels.shape[1:]
    for row in range(round(PASTED_SHARE * len(images))):
        donor = int(rng.integers(len(images)))
        move = (int(rng.integers(height)), int(rng.integers(width)))
        share = rng.uniform(*_PIECES)
        place = pick_pieces(batch.images[row], batch.label_map[row], share, rng)
        if place is None:
            continue
        other = batch.images[donor].roll(move, (1, 2)), batch.label_map[donor].roll(move, (0, 1))
        images[row] = torch.where(place, other[0], images[row])
        labels[row] = torch.where(place, other[1], labels[row])
    return images, labels
