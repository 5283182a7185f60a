"""The network of a stream: its inputs, and how it is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from curate import grid, seeding
from curate.models import weighters
from curate.models.schedule import warmup_cosine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from curate.methods.streams.features import StreamFeatures
    from curate.methods.streams.settings import StreamsSettings

BATCH_SIZE: Final = 8
Cells = tuple[slice, slice]
ALL_CELLS: Final[Cells] = (slice(None), slice(None))
SAMPLED_CELLS: Final = 600
MAX_SPACING: Final = 4
"""A network that sees cells by themselves learns in a step from at least so many of a large image,
spaced evenly by at most so many cells down and across: neighbours are much alike."""
_LOG_SCALE: Final = 3.0
"""Log-probabilities are divided by this, which brings them to about unit spread."""

APPEARANCE: Final = "appearance"
SEMANTICS: Final = "semantics"
LAYOUT: Final = "layout"


class StreamNetwork(nn.Module):
    """Brings features to one scale and maps them to one logit a cell.

    Parameters
    ----------
    network : Module
        Maps (N, F, h, w) and (N, h, w) bool to (N, 1, h, w).
    inputs : sequence of str
        Of `APPEARANCE`, `SEMANTICS` and `LAYOUT`.
    num_features : int
        Channels of the appearance.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, inputs: Sequence[str], num_features: int) -> None:
        super().__init__()
        self.network = network
        self.inputs = tuple(inputs)
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("scale", torch.ones(num_features))

    @staticmethod
    def count_channels(inputs: Sequence[str], num_features: int, num_classes: int) -> int:
        """Channels of the inner network's input."""
        channels = {
            APPEARANCE: num_features,
            SEMANTICS: 2 * num_classes + 1,
            LAYOUT: num_classes + 4,
        }
        return sum(channels[name] for name in inputs)

    def standardise(self, features: StreamFeatures) -> None:
        """Take mean and spread of the appearance, if it is an input, from these images."""
        if APPEARANCE not in self.inputs:
            return
        # a channel at a time: all of them in single precision may be more than fits into memory
        channels = features.appearance.unbind(dim=1)
        found = [torch.stack(torch.std_mean(c.float(), correction=0)) for c in channels]
        scale, mean = torch.stack(found, dim=1)
        self.mean.copy_(mean)
        self.scale.copy_(scale + 1e-3)

    def forward(self, features: StreamFeatures, cells: Cells = ALL_CELLS) -> Tensor:
        """Return logits, (N, h, w) float32, of all cells or of some alone."""
        seen, parts = features.pick_cells(*cells), []
        if APPEARANCE in self.inputs:
            centred = seen.appearance.float() - self.mean[:, None, None]
            parts.append(centred / self.scale[:, None, None])
        if SEMANTICS in self.inputs:
            parts.append(stack_semantics(seen))
        if LAYOUT in self.inputs:
            parts.append(stack_layout(features)[:, :, *cells])
        logits: Tensor = self.network(torch.cat(parts, dim=1), seen.valid)[:, 0]
        return logits

    def compute(self, cells: Mapping[str, Tensor]) -> Tensor:
        """Return logits of all cells, as `forward` does but for rounding.

        The first layer is linear in its inputs, and so is the scaling before it: both are one
        product of matrices an input.

        Parameters
        ----------
        cells : mapping of str to (N, h, w, F) float32
            Each input.
        """
        layers = cast("weighters.CellWeighter", self.network)
        hidden, start = cast("Tensor", layers.first.bias), 0
        for name in (APPEARANCE, SEMANTICS, LAYOUT):  # as `forward` stacks them
            if name not in self.inputs:
                continue
            size, flat = cells[name].shape[:3], cells[name].flatten(0, 2)
            weight = layers.first.weight[:, start : start + flat.shape[1], 0, 0]
            start += flat.shape[1]
            if name == APPEARANCE:
                weight = weight / self.scale
                hidden = hidden - weight @ self.mean
            hidden = torch.addmm(hidden, flat, weight.t())
        return layers.finish(hidden.view(*size, -1).movedim(-1, 1))[:, 0]


def stack_semantics(features: StreamFeatures) -> Tensor:
    """Log-predictions, the label one-hot, and the label's log-probability: (N, 2C + 1, h, w)."""
    logs = features.log_predictions.float()
    num_classes = logs.shape[1]
    label_map = features.label_map.long()
    chosen = logs.gather(1, label_map.clamp(max=num_classes - 1)[:, None])
    chosen = chosen * features.valid[:, None]
    return torch.cat(
        [
            logs / _LOG_SCALE + 1,
            grid.one_hot(label_map, num_classes),
            chosen / _LOG_SCALE + 1,
        ],
        dim=1,
    )


def stack_layout(features: StreamFeatures) -> Tensor:
    """Label, one-hot, and position in the image: (N, C + 4, h, w).

    The position is down and across in [-1, 1], and their squares.
    """
    num_images, height, width = features.label_map.shape
    labels = grid.one_hot(features.label_map.long(), features.log_predictions.shape[1])
    down = torch.linspace(-1, 1, height, device=labels.device)[:, None].expand(height, width)
    across = torch.linspace(-1, 1, width, device=labels.device).expand(height, width)
    position = torch.stack([down, across, down.square(), across.square()])
    return torch.cat([labels, position.expand(num_images, 4, height, width)], dim=1)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What a network is trained on.

    Attributes
    ----------
    features : StreamFeatures
    target : (N, h, w) float32
        1 for cells whose logit is to be high, 0 for others.
    weight : (N, h, w) float32
        How much each cell counts; 0 = not at all.
    train, stop : sequences of int
        Images that the network is trained on, and those that decide when to stop.
    """

    features: StreamFeatures
    target: Tensor
    weight: Tensor
    train: Sequence[int]
    stop: Sequence[int]

    def loss(self, network: StreamNetwork, rows: Sequence[int], cells: Cells = ALL_CELLS) -> Tensor:
        """Weighted sums over some images, or some of their cells: cross-entropy, weights; (2,)."""
        weight = self.weight[rows][:, *cells]
        losses = F.binary_cross_entropy_with_logits(
            network(self.features.take(rows), cells), self.target[rows][:, *cells], reduction="none"
        )
        return torch.stack([(losses * weight).sum(), weight.sum()])


def fit_epochs(
    network: StreamNetwork,
    training_set: TrainingSet,
    settings: StreamsSettings,
    *,
    seed: int,
    epoch_factor: int = 1,
) -> Iterator[float]:
    """Train for `epoch_factor` times the epochs; keep the best state on the stopping images.

    Yields the best loss on them so far after each epoch, infinite where there are none; the best
    state is restored at the end.
    """
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    epochs = epoch_factor * settings.epochs
    steps = epochs * -(-len(training_set.train) // BATCH_SIZE)
    schedule = LambdaLR(optimizer, partial(warmup_cosine, steps=steps))
    rng = seeding.stable_rng(seed, "order")
    torch.manual_seed(seeding.stable_seed(seed, "network"))
    best, best_state = math.inf, network.state_dict()
    together = training_set.features.num_together
    is_cellwise = isinstance(network.network, weighters.PixelWeighter)
    for _ in range(epochs):
        network.train()
        order = rng.permutation(np.asarray(training_set.train, dtype=np.int64))
        for start in range(0, len(order), BATCH_SIZE):
            rows = order[start : start + BATCH_SIZE].tolist()
            cells = _sample_cells(training_set, rng) if is_cellwise else ALL_CELLS
            weight = training_set.weight[rows][:, *cells].sum().clamp(min=1e-6)
            optimizer.zero_grad(set_to_none=True)
            for first in range(0, len(rows), together):
                total = training_set.loss(network, rows[first : first + together], cells)[0]
                (total / weight).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        network.eval()
        loss = stopping_loss(network, training_set)
        if loss < best:
            best = loss
            best_state = {name: value.clone() for name, value in network.state_dict().items()}
        yield best
    network.load_state_dict(best_state)


def _sample_cells(training_set: TrainingSet, rng: np.random.Generator) -> Cells:
    """Choose evenly spaced cells, from a random one on."""
    height, width = training_set.weight.shape[1:]
    spacing = min(max(1, math.isqrt(height * width // SAMPLED_CELLS)), MAX_SPACING)
    down, across = rng.integers(spacing, size=2).tolist()
    return slice(down, None, spacing), slice(across, None, spacing)


@torch.no_grad()
def stopping_loss(network: StreamNetwork, training_set: TrainingSet) -> float:
    """Mean loss on the stopping images; infinite where they have no cell that counts."""
    rows, together = list(training_set.stop), training_set.features.num_together
    sums = [
        training_set.loss(network, rows[i : i + together]) for i in range(0, len(rows), together)
    ]
    if not sums:
        return math.inf
    total, weight = torch.stack(sums).sum(dim=0).tolist()
    return total / weight if weight else math.inf


@torch.no_grad()
def compute_logits(network: StreamNetwork, features: StreamFeatures) -> Tensor:
    """Return logits of many images, (N, h, w), some at a time."""
    together = features.num_together
    parts = [
        network(features.take(range(start, min(start + together, len(features)))))
        for start in range(0, len(features), together)
    ]
    return torch.cat(parts)
