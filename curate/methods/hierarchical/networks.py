"""The networks of one level: one a fold, each trained without the images that it scores.

A network has one shared output channel (W^1, channel 0) and, in W^C, one more per class. A cell
trains and reads the channel of its own class; classes with too few real pixels, and ignored
cells, read the shared channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curate.distributed import sum_over_ranks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curate.methods.protocol import Split


@dataclass(frozen=True, slots=True)
class Inputs:
    """A batch as the networks of every level get it.

    Attributes
    ----------
    maps : (N, F, h, w) float32
        From `InputStack`.
    valid : (N, h, w) bool
        Cells with a label.
    channel : (N, h, w) int64
        Output channel that each cell trains and reads.
    is_real : (N,) bool
    keys : tuple of str
        Image keys.
    """

    maps: Tensor
    valid: Tensor
    channel: Tensor
    is_real: Tensor
    keys: tuple[str, ...]

    @property
    def synthetic(self) -> Tensor:
        """Valid cells of synthetic images, (N, h, w) bool."""
        return self.valid & ~self.is_real[:, None, None]


class FoldedNetworks(nn.Module):
    """Networks of one level; image i of fold f is scored by network f, which never trained on it.

    Parameters
    ----------
    networks : sequence of Module
        One a fold, alike but for their random start.
    splits : dict of str to Split
        Fold and held-out flag of the training images, by key.
    num_channels : int
        Output channels of each network.
    smoothing : float
        As in `realism_loss`.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        *,
        splits: Mapping[str, Split],
        num_channels: int,
        smoothing: float,
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.splits = dict(splits)
        self.num_channels = num_channels
        self.smoothing = smoothing

    def forward(self, inputs: Inputs) -> Tensor:
        """Return the logit of each cell from a network that did not train on it, (N, h, w)."""
        return self._pick(self._all_logits(inputs), inputs)

    def logits_and_loss(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Run once for both purposes: `forward`'s logits, and the loss to train on."""
        logits = self._all_logits(inputs)
        losses = []
        for fold, each in enumerate(logits):
            is_trained_on = [self._trains(key, fold) for key in inputs.keys]
            usable = inputs.valid & torch.tensor(is_trained_on, device=each.device)[:, None, None]
            losses.append(self._loss(each, inputs, usable))
        return self._pick(logits, inputs), torch.stack(losses).mean()

    def _all_logits(self, inputs: Inputs) -> list[Tensor]:
        """Logits (N, K, h, w) of each fold's network."""
        return [network(inputs.maps, inputs.valid) for network in self.networks]

    def _pick(self, logits: Sequence[Tensor], inputs: Inputs) -> Tensor:
        """Read each image from the fold that left it out; the mean of all for unknown images."""
        picked = torch.stack([read_channel(each, inputs.channel) for each in logits])
        if len(logits) == 1:
            return picked[0]
        known = [self.splits.get(key) for key in inputs.keys]
        rows = [
            picked[split.fold, i] if split else picked[:, i].mean(dim=0)
            for i, split in enumerate(known)
        ]
        return torch.stack(rows)

    def _trains(self, key: str, fold: int) -> bool:
        """Whether the network of a fold trains on an image."""
        split = self.splits.get(key)
        if split is None or split.held_out:
            return False
        return len(self.networks) == 1 or split.fold != fold

    def _loss(self, logits: Tensor, inputs: Inputs, usable: Tensor) -> Tensor:
        """Loss of the shared channel, plus that of the class channels where there are any."""
        one_group = torch.zeros_like(inputs.channel)
        weights = balance(one_group, inputs.is_real, usable, 1)
        loss = realism_loss(logits[:, 0], inputs.is_real, weights, smoothing=self.smoothing)
        if self.num_channels > 1:
            own = usable & (inputs.channel > 0)
            weights = balance(inputs.channel, inputs.is_real, own, self.num_channels)
            picked = read_channel(logits, inputs.channel)
            loss = loss + realism_loss(picked, inputs.is_real, weights, smoothing=self.smoothing)
        return loss


def channel_lookup(real_class_px: Tensor, *, min_px: int, per_class: bool) -> Tensor:
    """Map a class index 0 .. 255 to an output channel.

    Parameters
    ----------
    real_class_px : (C,) int64
        Labelled real pixels of each class.
    min_px : int
        Classes with fewer read the shared channel.
    per_class : bool
        False: W^1, every class reads the shared channel.

    Returns
    -------
    lookup : (256,) int64
    """
    lookup = torch.zeros(256, dtype=torch.int64)
    if per_class:
        num_classes = len(real_class_px)
        own = torch.arange(1, num_classes + 1)
        lookup[:num_classes] = torch.where(real_class_px >= min_px, own, 0)
    return lookup


def read_channel(logits: Tensor, channel: Tensor) -> Tensor:
    """Pick one channel a cell.

    Parameters
    ----------
    logits : (N, K, h, w)
    channel : (N, h, w) int64

    Returns
    -------
    picked : (N, h, w)
    """
    if logits.shape[1] == 1:
        return logits[:, 0]
    return logits.gather(1, channel[:, None])[:, 0]


def balance(group: Tensor, is_real: Tensor, usable: Tensor, num_groups: int) -> Tensor:
    """Weigh cells so that domains count the same within a group, and groups count the same.

    Groups (classes) that only one domain shows in this step get weight 0: how often a class
    occurs must not pass for how real it looks.

    Parameters
    ----------
    group : (N, h, w) int64
        0 .. `num_groups`-1.
    is_real : (N,) bool
    usable : (N, h, w) bool
        Cells that take part.

    Returns
    -------
    weights : (N, h, w) float32
        Sum 2 (1 a domain) over the batches of all processes, or all 0 where no group is seen in
        both domains.
    """
    domain = is_real[:, None, None].expand_as(group)
    key = group + num_groups * domain
    counts = torch.zeros(2 * num_groups, device=group.device)
    counts.scatter_add_(0, key.flatten(), usable.flatten().float())
    per_domain = sum_over_ranks(counts).view(2, num_groups)
    shared = (per_domain > 0).all(dim=0)
    scale = shared / per_domain.clamp(min=1) / shared.sum().clamp(min=1)
    return scale.flatten()[key] * usable


def realism_loss(picked: Tensor, is_real: Tensor, weights: Tensor, *, smoothing: float) -> Tensor:
    """Binary cross-entropy of "real" with smoothed targets, averaged by `balance` weights.

    Parameters
    ----------
    picked : (N, h, w)
        Logit of each cell.
    smoothing : float
        Targets are ``1 - smoothing`` for real and ``smoothing`` for synthetic cells.

    Returns
    -------
    loss : scalar
        Mean of both domains' losses: log 2 at logit 0; of several processes, this one's part.
    """
    target = torch.where(is_real, 1 - smoothing, smoothing)[:, None, None].expand_as(picked)
    losses = F.binary_cross_entropy_with_logits(picked, target, reduction="none")
    return (losses * weights).sum() / 2
