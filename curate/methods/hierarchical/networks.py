"""The networks of one level: one a fold, each trained without the images that it scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from curate.methods.hierarchical.channels import balance, read_channel, realism_loss

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curate.methods.base import Split


@dataclass(frozen=True, slots=True)
class View:
    """What the networks of every level see of a batch.

    Attributes
    ----------
    inputs : (N, F, h, w) float32
    valid : (N, h, w) bool
        Cells with a label.
    channel : (N, h, w) int64
        Output channel that each cell trains and reads.
    is_real : (N,) bool
    keys : tuple of str
        Image keys.
    """

    inputs: Tensor
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

    def forward(self, view: View) -> Tensor:
        """Return the logit of each cell from the network that may speak for it, (N, h, w)."""
        return self._pick(self._all_logits(view), view)

    def learn(self, view: View) -> tuple[Tensor, Tensor]:
        """Run once for both purposes: `forward`'s logits, and the loss to learn from."""
        logits = self._all_logits(view)
        losses = []
        for fold, each in enumerate(logits):
            takes_part = [self._trains(key, fold) for key in view.keys]
            usable = view.valid & torch.tensor(takes_part, device=each.device)[:, None, None]
            losses.append(self._loss(each, view, usable))
        return self._pick(logits, view), torch.stack(losses).mean()

    def _all_logits(self, view: View) -> list[Tensor]:
        """Logits (N, K, h, w) of each fold's network."""
        return [network(view.inputs, view.valid) for network in self.networks]

    def _pick(self, logits: Sequence[Tensor], view: View) -> Tensor:
        """Read each image from the fold that left it out; the mean of all for unknown images."""
        picked = torch.stack([read_channel(each, view.channel) for each in logits])
        if len(logits) == 1:
            return picked[0]
        known = [self.splits.get(key) for key in view.keys]
        rows = [
            picked[split.fold, i] if split else picked[:, i].mean(dim=0)
            for i, split in enumerate(known)
        ]
        return torch.stack(rows)

    def _trains(self, key: str, fold: int) -> bool:
        """Tell whether an image trains the network of a fold."""
        split = self.splits.get(key)
        if split is None or split.held_out:
            return False
        return len(self.networks) == 1 or split.fold != fold

    def _loss(self, logits: Tensor, view: View, usable: Tensor) -> Tensor:
        """Loss of the shared channel, plus that of the class channels where there are any."""
        everything = torch.zeros_like(view.channel)
        weights = balance(everything, view.is_real, usable, 1)
        loss = realism_loss(logits[:, 0], view.is_real, weights, smoothing=self.smoothing)
        if self.num_channels > 1:
            own = usable & (view.channel > 0)
            weights = balance(view.channel, view.is_real, own, self.num_channels)
            picked = read_channel(logits, view.channel)
            loss = loss + realism_loss(picked, view.is_real, weights, smoothing=self.smoothing)
        return loss
