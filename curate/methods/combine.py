"""Rules that put the scores of several levels together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable


def mean_score(scores: Tensor) -> Tensor:
    """Arithmetic mean: keeps the most of every level's ranking and of the sample size."""
    return scores.mean(dim=0)


def product(scores: Tensor) -> Tensor:
    """Product: low where any level is low."""
    return scores.prod(dim=0)


def geometric_mean(scores: Tensor) -> Tensor:
    """Product, brought back to the scale of a single level."""
    return scores.clamp(min=1e-6).log().mean(dim=0).exp()


def minimum(scores: Tensor) -> Tensor:
    """Take the most doubtful level."""
    return scores.amin(dim=0)


def logit_sum(scores: Tensor) -> Tensor:
    """Sigmoid of the summed logits: levels as independent witnesses."""
    return torch.logit(scores, eps=1e-6).sum(dim=0).sigmoid()


COMBINATIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "mean": mean_score,
    "product": product,
    "geometric_mean": geometric_mean,
    "minimum": minimum,
    "logit_sum": logit_sum,
}
"""``(levels, N, h, w)`` scores in [0, 1] to ``(N, h, w)`` in [0, 1]."""
