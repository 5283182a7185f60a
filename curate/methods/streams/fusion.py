"""One posterior out of those of several streams."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from curate.metrics import auroc

if TYPE_CHECKING:
    from collections.abc import Sequence

USUAL: Final = 0.95
"""What the planted stream is taken to hold of every cell where it is silent."""
LEAST_TRUST: Final = 0.1
"""The planted stream is never trusted less."""
TRUST_POWER: Final = 2
"""Trust is agreement to this power."""
CORRUPTION_TRUST_POWER: Final = 3
"""That of the planted stream: its logits spread widest, and would drown the others where it half
knows what it is looking at."""
_EPSILON: Final = 1e-6

Trusted = tuple[Tensor, float]
"""Posterior in (0, 1) of cells, (N, h, w) float32, and the trust in it, in [0, 1]."""


def fuse(injected: Trusted | None, others: Sequence[Trusted], like: Tensor) -> Tensor:
    """Let every other stream lower the odds that the planted stream gives a cell.

    The odds "unspoiled" of the planted stream, to the power of its trust, are multiplied by the
    posterior, at most 1, of each stream, to the power of its own. So no stream that finds a cell
    perfect can outvote the one that sees what is wrong with it.

    Parameters
    ----------
    planted : Trusted or None
        None where it is silent.
    others : sequence of Trusted
        Of each other stream that speaks.
    like : (N, h, w)
        Of the result's shape and device.

    Returns
    -------
    fused : (N, h, w) float32
        0.5 where no stream speaks.
    """
    if injected is None and not others:
        return torch.full(like.shape, 0.5, device=like.device)
    base, base_trust = injected or (torch.full(like.shape, USUAL, device=like.device), 1.0)
    logits = base_trust * torch.logit(base, eps=_EPSILON)
    for posterior, trust in others:
        logits = logits + trust * posterior.log()
    return logits.sigmoid()


def measure_agreement(logits: Tensor, injected: Tensor) -> float:
    """Tell how far a stream ranks single cells as the planted one does.

    A stream that learned the domains may tell them apart by a clue that lies beside the cells that
    are spoiled: a part of the image is spoiled, and all of it looks synthetic. The planted stream
    has learned where faults end.

    Parameters
    ----------
    logits, planted : (P,) float32
        Of both streams, for valid cells of synthetic images.

    Returns
    -------
    agreement : float
        In [0, 1]: twice the AUROC for the decision of the planted stream, less 1; at least 0. It
        is 1 where the planted stream decides for all cells alike.
    """
    area = auroc(logits.cpu().numpy(), (injected > 0).cpu().numpy())
    return 1.0 if math.isnan(area) else max(0.0, 2 * area - 1)
