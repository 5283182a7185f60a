"""One posterior out of those of several streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


def fuse(opinions: Sequence[Tensor], like: Tensor) -> Tensor:
    """Multiply: a cell is unspoiled if it is so in every respect.

    A sum of logits would let a stream that finds a cell perfect outvote the one that sees what is
    wrong with it; in a product it can only agree.

    Parameters
    ----------
    opinions : sequence of (N, h, w) float32
        Posterior "unspoiled" in [0, 1] of each stream that speaks.
    like : (N, h, w)
        Of the result's shape and device.

    Returns
    -------
    fused : (N, h, w) float32
        0.5 where no stream speaks.
    """
    if not opinions:
        return torch.full(like.shape, 0.5, device=like.device)
    return torch.stack(list(opinions)).prod(dim=0)
