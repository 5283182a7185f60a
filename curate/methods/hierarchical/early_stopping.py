"""Early stopping of one level, and the held-out measurements that decide it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from curate.methods.hierarchical.networks import Inputs, balance, realism_loss
from curate.metrics import auroc

if TYPE_CHECKING:
    from collections.abc import Sequence

CHANCE_LOSS: Final = math.log(2)
"""Held-out log-loss, in nats, of a network whose logits are all 0."""


class EarlyStopping:
    """Keep the best networks of a level, and stop its training when it no longer improves.

    Parameters
    ----------
    patience : int
        Evaluations in a row without improvement after which the level returns to its best
        networks and is trained no more.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best_loss = math.inf
        self.best: dict[str, Tensor] | None = None
        self.since_best = 0

    @property
    def is_training(self) -> bool:
        """False once patience has run out."""
        return self.since_best < self.patience

    def update(self, loss: float, networks: nn.Module) -> None:
        """Take note of a new held-out loss of `networks`, which go back to the best on a stop."""
        if not self.is_training:
            return
        if loss < self.best_loss:
            self.best_loss, self.since_best = loss, 0
            self.best = {name: value.clone() for name, value in networks.state_dict().items()}
            return
        self.since_best += 1
        if not self.is_training and self.best is not None:
            networks.load_state_dict(self.best)

    def state(self) -> dict[str, Any]:
        """Everything that `load` needs."""
        return {"best_loss": self.best_loss, "since_best": self.since_best, "best": self.best}

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        self.best_loss = float(state["best_loss"])
        self.since_best = int(state["since_best"])
        self.best = state["best"]


def measure_logits(
    logits: Sequence[Tensor], batches: Sequence[Inputs], *, smoothing: float, level: str
) -> dict[str, float]:
    """Measure logits of held-out images of both domains, all batches together.

    Parameters
    ----------
    logits : sequence of (N, h, w)
        Logit of each cell, one tensor a batch.
    batches : sequence of Inputs
    smoothing : float
        As in `realism_loss`.
    level : str
        At ``image`` level the AUROC counts images; else cells.

    Returns
    -------
    measured : dict
        ``loss``, the class-balanced log-loss, infinite where a domain is missing, and ``auroc``
        of real against synthetic, NaN where a domain is missing.
    """
    picked = torch.cat(list(logits))
    channel = torch.cat([batch.channel for batch in batches])
    valid = torch.cat([batch.valid for batch in batches])
    is_real = torch.cat([batch.is_real for batch in batches])
    weights = balance(channel, is_real, valid, int(channel.max()) + 1)
    loss = realism_loss(picked, is_real, weights, smoothing=smoothing)
    if level == "image":
        counts = valid.sum(dim=(1, 2))
        means = (picked.sigmoid() * valid).sum(dim=(1, 2)) / counts.clamp(min=1)
        area = auroc(means[counts > 0].cpu().numpy(), is_real[counts > 0].cpu().numpy())
    else:
        domain = is_real[:, None, None].expand_as(valid)
        area = auroc(picked[valid].cpu().numpy(), domain[valid].cpu().numpy())
    has_both = bool((weights > 0).any())
    return {"loss": loss.item() if has_both else math.inf, "auroc": area}
