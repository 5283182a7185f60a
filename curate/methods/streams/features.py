"""Features of the streams: how things look, and what a reference segmenter predicts.

Reference segmenters are trained on real images only. A segmenter predicts what the surroundings of
a patch suggest, and so agrees with a wrong label or pasted content that fits in. They are therefore
trained on images into which superpixels of others are pasted together with their labels: the
surroundings no longer tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from curate.grid import grid_size, to_grid
from curate.models.schedule import warmup_cosine
from curate.records import IGNORE_INDEX, Batch
from curate.seeding import stable_rng, stable_seed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from curate.methods.protocol import Preparation
    from curate.models import Segmenter

MIN_PROBABILITY: Final = 1e-6
MAX_ENLARGED_PX: Final = 2**24
"""Enlarged pixels that a GPU encodes at a time; their early features take some gigabytes."""
PASTED_SHARE: Final = 0.75
"""Share of the images of a step into which others are pasted."""
SUPERPIXEL_SHARES: Final = (0.2, 0.6)
"""Range of the share of an image's superpixels that is pasted over."""
WEIGHT_DECAY: Final = 1e-2


@dataclass(frozen=True, slots=True)
class StreamFeatures:
    """Features of images on the weighting grid; in half precision to save memory.

    Attributes
    ----------
    appearance : (N, F, h, w) float16
        Features of the frozen encoder, as they come.
    log_predictions : (N, C, h, w) float16
        Logarithm of a reference segmenter's class probabilities.
    label_map : (N, h, w) uint8
        255 = ignore.
    """

    appearance: Tensor
    log_predictions: Tensor
    label_map: Tensor

    def __len__(self) -> int:
        return len(self.label_map)

    @property
    def valid(self) -> Tensor:
        """Cells with a label, (N, h, w) bool."""
        return self.label_map != IGNORE_INDEX

    def take(self, rows: Sequence[int] | Tensor) -> StreamFeatures:
        """Keep some of the images, in the given order."""
        index = torch.as_tensor(rows, dtype=torch.int64, device=self.label_map.device)
        return StreamFeatures(
            self.appearance[index], self.log_predictions[index], self.label_map[index]
        )


def join_features(parts: Sequence[StreamFeatures]) -> StreamFeatures:
    """Join the images of several."""
    return StreamFeatures(
        torch.cat([part.appearance for part in parts]),
        torch.cat([part.log_predictions for part in parts]),
        torch.cat([part.label_map for part in parts]),
    )


def encode_appearance(
    encoder: Segmenter, images: Tensor, stages: Sequence[str], *, enlarge: int
) -> Tensor:
    """Encode images (N, 3, H, W) in [0, 1]: (N, F, h, w) float16 on the weighting grid.

    Enlarging brings the features of an early stage down to the few pixels about a cell: else
    corrupted neighbours would lower the score of a sound cell.
    """
    grid, parts = grid_size(*images.shape[2:]), []
    enlarged_px = images.shape[2] * images.shape[3] * enlarge**2
    together = max(1, MAX_ENLARGED_PX // enlarged_px) if images.is_cuda else 1
    # On a CPU one by one, up to three times as fast: glibc gives tensors above 32 MiB back to the
    # system after every layer, and each page of the next one has to be fetched anew.
    for part in images.split(together):  # type: ignore[no-untyped-call]
        large = F.interpolate(part, scale_factor=float(enlarge), mode="bilinear")
        features = encoder.encode(large, stages)
        parts.append(torch.cat([to_grid(features[name], grid) for name in stages], dim=1).half())
    return torch.cat(parts)


def reference_log_probabilities(reference: Segmenter, images: Tensor) -> Tensor:
    """Predict images (N, 3, H, W) in [0, 1]: (N, C, h, w) float16 log-probabilities."""
    probabilities = reference(images).logits.float().softmax(dim=1)
    cells = to_grid(probabilities, grid_size(*images.shape[2:]))
    return cells.clamp(min=MIN_PROBABILITY).log().half()


def train_reference(
    reference: Segmenter,
    preparation: Preparation,
    excluded: frozenset[str],
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    device: torch.device,
) -> Iterator[int]:
    """Train a step a batch; yields the number of finished steps.

    Parameters
    ----------
    reference : Segmenter
        On the device; ends in evaluation mode.
    preparation : Preparation
    excluded : frozenset of str
        Keys of the images that it is not to be trained on.
    learning_rate : float
        Peak of `warmup_cosine`.
    """
    groups = reference.parameter_groups(learning_rate, WEIGHT_DECAY)
    optimizer = torch.optim.AdamW(groups)
    schedule = LambdaLR(optimizer, partial(warmup_cosine, steps=steps))
    for step, batch in enumerate(preparation.draw_real(excluded, steps)):
        torch.manual_seed(stable_seed(seed, "step", step))
        images, labels = paste_superpixels(
            batch, preparation, stable_rng(seed, "superpixels", step)
        )
        reference.train()
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
        reference.eval()
        yield step + 1


def paste_superpixels(
    batch: Batch, preparation: Preparation, rng: np.random.Generator
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
        share = rng.uniform(*SUPERPIXEL_SHARES)
        mask = preparation.choose_superpixels(batch.images[row], batch.label_map[row], share, rng)
        if mask is None:
            continue
        other = batch.images[donor].roll(move, (1, 2)), batch.label_map[donor].roll(move, (0, 1))
        images[row] = torch.where(mask, other[0], images[row])
        labels[row] = torch.where(mask, other[1], labels[row])
    return images, labels
