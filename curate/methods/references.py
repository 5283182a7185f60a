"""Reference segmenters: trained before the joint training, on real images only.

A segmenter predicts what the surroundings of a patch suggest, and so agrees with a wrong label or
pasted content that fits in. They are therefore trained on images into which superpixels of others
are pasted together with their labels: the surroundings no longer tell.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from curate import config, grid, models, records, seeding
from curate.methods import protocol
from curate.models.schedule import warmup_cosine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np

MIN_PROBABILITY: Final = 1e-6
PASTED_SHARE: Final = 0.75
"""Share of the images of a step into which others are pasted."""
SUPERPIXEL_SHARES: Final = (0.2, 0.6)
"""Range of the share of an image's superpixels that is pasted over."""
WEIGHT_DECAY: Final = 1e-2
PREDICTED_TOGETHER: Final = 8
"""Images of a batch where many are predicted."""


class ReferenceSettings(config.Strict):
    """What can be set of reference segmenters of the folds of the real images."""

    folds: int = Field(2, ge=1, le=10)
    """Reference segmenters. Each learns from the real images of the other folds, and scores those
    of its own; with 1 it learns from all of them.
    """

    reference_share: float = Field(0.33, gt=0, le=1)
    """Steps of all of them together, as a share of those of the joint training."""

    reference_steps: int = Field(250, ge=1)
    """Most steps that one of them is trained for."""

    reference_learning_rate: float = Field(3e-3, gt=0)
    """Peak of their schedule: a linear warm-up, then a cosine."""

    def steps_of_each(self, num_steps: int) -> int:
        """Count the steps of one of them where the joint training has so many."""
        each = int(self.reference_share * num_steps / self.folds)
        return min(max(1, each), self.reference_steps)


class References(nn.ModuleList):
    """Reference segmenters, one a fold; but for their own training they only predict."""

    def __init__(self, segmenters: Iterable[models.Segmenter]) -> None:
        super().__init__(segmenters)
        self._copies = [models.FoldedCopy(self.segmenter(fold)) for fold in range(len(self))]

    def segmenter(self, fold: int) -> models.Segmenter:
        """Return the one of a fold."""
        return cast("models.Segmenter", self[fold])

    def train(self, mode: bool = True) -> References:  # noqa: ARG002
        """Stay in evaluation mode, whatever the method does."""
        super().train(mode=False)
        return self

    def learn(
        self,
        preparation: protocol.Preparation,
        splits: Mapping[str, protocol.Split],
        settings: ReferenceSettings,
        num_learned: Tensor,
    ) -> Iterator[protocol.Progress]:
        """Train one after the other, each on the real images of the other folds.

        Parameters
        ----------
        num_learned : scalar int64
            How many are trained already; counted on.
        """
        total = settings.folds
        steps = settings.steps_of_each(preparation.num_steps)
        for fold in range(int(num_learned), total):
            for share in self.learn_one(
                fold, preparation, splits, steps=steps,
                learning_rate=settings.reference_learning_rate, device=num_learned.device,
            ):  # fmt: skip
                yield protocol.Progress(fold, total, is_safe=False, share=share)
            num_learned.fill_(fold + 1)
            yield protocol.Progress(fold + 1, total, is_safe=True)

    def learn_one(
        self,
        fold: int,
        preparation: protocol.Preparation,
        splits: Mapping[str, protocol.Split],
        *,
        steps: int,
        learning_rate: float,
        device: torch.device,
    ) -> Iterator[float]:
        """Train that of a fold on the real images of the others, or of all if there is one fold.

        Yields the share of its steps that is done.
        """
        own = {key for key, split in splits.items() if split.fold == fold and len(self) > 1}
        training = train_reference(
            self.segmenter(fold),
            preparation,
            frozenset(own),
            steps=steps,
            learning_rate=learning_rate,
            seed=seeding.stable_seed(preparation.seed, "reference", fold),
            device=device,
        )
        yield from (step / steps for step in training)

    def fold(self, size: tuple[int, int]) -> None:
        """Fold the batch normalisation of all of them; they are never trained again."""
        for segmenter in self:
            models.fold_in_place(cast("models.Segmenter", segmenter), size)

    def predict(self, fold: int, images: Tensor) -> Tensor:
        """Predict images (N, 3, H, W) by the one of a fold: (N, C, h, w) float16 logarithms."""
        predicting = self._copies[fold].get(images.shape[2:])
        return reference_log_probabilities(predicting, images)

    def predict_all(self, images: Tensor) -> Tensor:
        """Predict images by each of the F segmenters, (F, N, C, h, w) float16.

        All of them get all images: what else is in a batch must not change a prediction.
        """
        return torch.stack([self.predict(fold, images) for fold in range(len(self))])

    @torch.no_grad()
    def predict_unseen(self, batch: records.Batch, splits: Mapping[str, protocol.Split]) -> Tensor:
        """Predict each image of the training by the one of its fold, (N, C, h, w) float16."""
        device = next(self.parameters()).device
        folds = [splits[key].fold for key in batch.keys]
        each: dict[int, Tensor] = {}
        for fold in sorted(set(folds)):
            rows = [row for row, own in enumerate(folds) if own == fold]
            for start in range(0, len(rows), PREDICTED_TOGETHER):
                some = rows[start : start + PREDICTED_TOGETHER]
                logs = self.predict(fold, batch.images[some].to(device).float() / 255)
                each |= zip(some, logs.cpu(), strict=True)
        return torch.stack([each[row] for row in range(len(folds))])


def predict_by_fold(
    predict: Callable[[int, Tensor], Tensor], evidence: records.Evidence, folds: Sequence[int]
) -> Tensor:
    """Show each image to the segmenter of its fold alone.

    Parameters
    ----------
    predict : callable
        `References.predict`.
    evidence : Evidence
        Of N images.
    folds : sequence of int
        Of each of them.

    Returns
    -------
    logs : (N, C, h, w) float32
        Logarithm of the probabilities.
    """
    logs = torch.zeros_like(evidence.predictions)
    for fold in sorted(set(folds)):
        own = [row for row, of_row in enumerate(folds) if of_row == fold]
        logs[own] = predict(fold, evidence.images[own]).to(logs)
    return logs


def reference_log_probabilities(reference: models.Segmenter, images: Tensor) -> Tensor:
    """Predict images (N, 3, H, W) in [0, 1]: (N, C, h, w) float16 log-probabilities."""
    probabilities = reference(images).logits.float().softmax(dim=1)
    cells = grid.to_grid(probabilities, grid.grid_size(*images.shape[2:]))
    return cells.clamp(min=MIN_PROBABILITY).log().half()


def train_reference(
    reference: models.Segmenter,
    preparation: protocol.Preparation,
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
    reference : models.Segmenter
        On the device; ends in evaluation mode.
    preparation : Preparation
    excluded : frozenset of str
        Keys of the images that it is not to be trained on.
    learning_rate : float
        Peak of `warmup_cosine`.
    """
    groups = reference.parameter_groups(learning_rate, WEIGHT_DECAY)
    optimizer = torch.optim.AdamW(groups)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(warmup_cosine, steps=steps))
    for step, batch in enumerate(preparation.draw_real(excluded, steps)):
        torch.manual_seed(seeding.stable_seed(seed, "step", step))
        images, labels = paste_superpixels(
            batch, preparation, seeding.stable_rng(seed, "superpixels", step)
        )
        reference.train()
        logits = reference(images.to(device).float() / 255).logits.float()
        pixels = F.interpolate(logits, size=list(labels.shape[1:]), mode="bilinear")
        losses = F.cross_entropy(
            pixels, labels.long().to(device), ignore_index=records.IGNORE_INDEX, reduction="none"
        )
        loss = losses.sum() / (labels != records.IGNORE_INDEX).sum().clamp(min=1).to(device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        reference.eval()
        yield step + 1


def paste_superpixels(
    batch: records.Batch, preparation: protocol.Preparation, rng: np.random.Generator
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
