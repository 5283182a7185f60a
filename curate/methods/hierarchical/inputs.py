"""Inputs of the weighting networks: named maps, put side by side on one grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curate.distributed import stack_ranks
from curate.grid import one_hot, to_grid
from curate.records import GRID_STRIDE, Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def read_image(evidence: Evidence) -> Tensor:
    """Pixels of each cell in [-1, 1], (N, 3 * 16, h, w)."""
    height, width = evidence.label_map.shape[1:]
    images = evidence.images
    below, right = height * GRID_STRIDE - images.shape[2], width * GRID_STRIDE - images.shape[3]
    padded = F.pad(images, (0, right, 0, below), mode="replicate")
    return F.pixel_unshuffle(padded, GRID_STRIDE) * 2 - 1


INPUTS: Final[dict[str, Callable[[Evidence], Tensor]]] = {
    "predictions": lambda evidence: evidence.predictions,
    "label": lambda evidence: one_hot(evidence.label_map, evidence.predictions.shape[1]),
    "image": read_image,
}
"""(N, F, h, w) by name; every other name is a backbone stage."""


def stage_names(inputs: Sequence[str]) -> tuple[str, ...]:
    """Keep the names that are backbone stages."""
    return tuple(name for name in inputs if name not in INPUTS)


class InputStack(nn.Module):
    """Concatenate the named inputs; features are standardised by statistics of both domains.

    The statistics are gathered while `gather` is called (during the warm-up) and are fixed from
    then on: statistics of a batch, as in BatchNorm, would tell the domains apart by themselves.

    Parameters
    ----------
    inputs : sequence of str
        Keys of `INPUTS` or names of backbone stages.
    num_classes : int
    feature_channels : dict of str to int
        Channels of each stage among `inputs`.
    """

    count: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(
        self, inputs: Sequence[str], *, num_classes: int, feature_channels: Mapping[str, int]
    ) -> None:
        super().__init__()
        self.inputs = tuple(inputs)
        channels = {"predictions": num_classes, "label": num_classes, "image": 3 * GRID_STRIDE**2}
        self.num_channels = sum(channels.get(n) or feature_channels[n] for n in self.inputs)
        num_features = sum(feature_channels[name] for name in stage_names(self.inputs))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(num_features, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(num_features, dtype=torch.float64))

    def forward(self, evidence: Evidence) -> Tensor:
        """Return (N, F, h, w) float32."""
        maps = [INPUTS[name](evidence) for name in self.inputs if name in INPUTS]
        if self.mean.numel():
            features = self._features(evidence)
            mean = self.mean.float()[:, None, None]
            scale = (self.variance + 1e-6).rsqrt().float()[:, None, None]
            maps.append((features - mean) * scale)
        return torch.cat(maps, dim=1)

    @torch.no_grad()
    def gather(self, evidence: Evidence) -> None:
        """Add the features of a step to the statistics (Chan et al.'s pairwise update)."""
        if not self.mean.numel():
            return
        features = self._features(evidence).double()
        new = features.shape[0] * features.shape[2] * features.shape[3]
        mean = features.mean(dim=(0, 2, 3))
        variance = features.var(dim=(0, 2, 3), correction=0)
        for each in stack_ranks(torch.stack([torch.full_like(mean, new), mean, variance])):
            self._add(each[0, 0], each[1], each[2])

    def _add(self, new: Tensor, mean: Tensor, variance: Tensor) -> None:
        """Add the statistics of `new` cells."""
        total = self.count + new
        share = new / total
        offset = mean - self.mean
        old_variance = self.variance if self.count > 0 else torch.zeros_like(self.variance)
        self.variance.copy_(
            (1 - share) * old_variance + share * variance + share * (1 - share) * offset**2
        )
        self.mean.add_(share * offset)
        self.count.copy_(total)

    def _features(self, evidence: Evidence) -> Tensor:
        """Concatenate the features of the stages on the grid of the labels."""
        height, width = evidence.label_map.shape[1:]
        stages = (evidence.features[name].float() for name in stage_names(self.inputs))
        return torch.cat([to_grid(features, (height, width)) for features in stages], dim=1)
