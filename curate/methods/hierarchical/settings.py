"""What can be set of the method ``hierarchical``."""

from typing import Literal

from pydantic import Field, field_validator

from curate.config import Strict, refuse_repeats
from curate.methods.combine import COMBINATIONS
from curate.records import LEVELS


class HierarchicalSettings(Strict):
    """``[method]`` of ``hierarchical``.

    Attributes
    ----------
    inputs : names
        ``predictions``, ``label``, ``image`` and names of backbone stages (``stride4``, ..).
    levels : names
        Levels that have a weighting network.
    channels : str
        ``per_class`` (W^C) or ``shared`` (W^1).
    min_class_px : int
        Classes with fewer labelled real pixels use the shared channel.
    combine : str
        How levels become one score.
    learning_rate, weight_decay : float
        Of the weighting networks (AdamW, betas 0.9 and 0.99).
    width, region_depth : int
        Channels of the weighting networks; stride-2 convolutions of the region and image level.
    smoothing : float
        Targets are 1 - smoothing for real, smoothing for synthetic.
    min_ess, max_power, clip, uniform : float
        How sharp weights may be, see `curate.weighting.fit_weight_rule`.
    patience : int
        Evaluations without a better held-out loss after which a level stops learning.
    folds : int
        Cross-fitting: each image is scored by networks that did not train on it; 1 = off.
    adversarial : float
        Weight of the segmenter's adversarial loss on its predictions; 0 = off.
    """

    inputs: tuple[str, ...] = ("predictions",)
    levels: tuple[Literal["image", "region", "pixel"], ...] = LEVELS
    channels: Literal["per_class", "shared"] = "per_class"
    min_class_px: int = Field(2000, ge=1)
    combine: str = "mean"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    width: int = Field(32, ge=1)
    region_depth: int = Field(3, ge=1, le=5)
    smoothing: float = Field(0.05, ge=0, lt=0.5)
    min_ess: float = Field(0.4, gt=0, le=1)
    max_power: float = Field(8.0, ge=0)
    clip: float = Field(5.0, ge=1)
    uniform: float = Field(0.1, ge=0, le=1)
    patience: int = Field(5, ge=1)
    folds: int = Field(1, ge=1, le=10)
    adversarial: float = Field(0.0, ge=0)

    _has_no_repeats = field_validator("inputs", "levels")(refuse_repeats)

    @field_validator("combine")
    @classmethod
    def _is_a_rule(cls, value: str) -> str:
        if value not in COMBINATIONS:
            msg = f"combine = '{value}' is none of {', '.join(COMBINATIONS)}"
            raise ValueError(msg)
        return value
