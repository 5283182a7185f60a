"""What can be set of the method ``hierarchical``."""

from collections.abc import Callable
from typing import Final, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from curate.config import Strict, refuse_repeats
from curate.records import LEVELS


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
    """Lowest of the levels."""
    return scores.amin(dim=0)


def logit_sum(scores: Tensor) -> Tensor:
    """Sigmoid of the summed logits: levels as independent measurements."""
    return torch.logit(scores, eps=1e-6).sum(dim=0).sigmoid()


COMBINATIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "mean": mean_score,
    "product": product,
    "geometric_mean": geometric_mean,
    "minimum": minimum,
    "logit_sum": logit_sum,
}
"""Rules that make one score of several levels: (levels, N, h, w) in [0, 1] to (N, h, w)."""


class HierarchicalSettings(Strict):
    """``[method]`` of ``hierarchical``."""

    inputs: tuple[str, ...] = ("predictions",)
    """``predictions``, ``label``, ``image`` and names of backbone stages (``stride4``, ..)."""

    levels: tuple[Literal["image", "region", "pixel"], ...] = LEVELS
    """Levels that have a weighting network."""

    channels: Literal["per_class", "shared"] = "per_class"
    """``per_class`` (W^C) or ``shared`` (W^1)."""

    min_class_px: int = Field(2000, ge=1)
    """Classes with fewer labelled real pixels use the shared channel."""

    combine: str = "mean"
    """How levels become one score."""

    learning_rate: float = Field(1e-3, gt=0)
    """Of the weighting networks (AdamW, betas 0.9 and 0.99)."""

    weight_decay: float = Field(1e-2, ge=0)
    """Of the weighting networks."""

    width: int = Field(32, ge=1)
    """Channels of the weighting networks."""

    region_depth: int = Field(3, ge=1, le=5)
    """Stride-2 convolutions of the region and image level."""

    smoothing: float = Field(0.05, ge=0, lt=0.5)
    """Targets are 1 - smoothing for real, smoothing for synthetic."""

    min_ess: float = Field(0.4, gt=0, le=1)
    """Least effective sample size, a share of the pixels, that the weights may have."""

    max_power: float = Field(8.0, ge=0)
    """Largest power of the score that becomes a weight."""

    clip: float = Field(5.0, ge=1)
    """Largest multiple of the mean that a weight may have."""

    uniform: float = Field(0.1, ge=0, le=1)
    """Share of weight 1 that is mixed in."""

    patience: int = Field(5, ge=1)
    """Evaluations without a better held-out loss after which a level's training stops."""

    folds: int = Field(1, ge=1, le=10)
    """Cross-fitting: each image is scored by networks that did not train on it; 1 = off."""

    adversarial: float = Field(0.0, ge=0)
    """Weight of the segmenter's adversarial loss on its predictions; 0 = off."""

    _has_no_repeats = field_validator("inputs", "levels")(refuse_repeats)

    @field_validator("combine")
    @classmethod
    def _is_a_rule(cls, value: str) -> str:
        if value not in COMBINATIONS:
            msg = f"combine = '{value}' is none of {', '.join(COMBINATIONS)}"
            raise ValueError(msg)
        return value
