"""What a weighting method is: the one protocol that the joint training and scoring know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from curate.config import Strict
    from curate.records import Evidence, LevelScores


@dataclass(frozen=True, slots=True)
class Split:
    """Where an image of the training data belongs.

    Attributes
    ----------
    held_out : bool
        True: weighting networks never train on it; it decides when they stop.
    fold : int
        The cross-fitting fold whose networks did not train on it.
    """

    held_out: bool
    fold: int


@dataclass(frozen=True, slots=True)
class MethodContext:
    """What a method is built from.

    Attributes
    ----------
    num_classes : int
    feature_channels : dict of str to int
        Channels of each backbone stage that the method's settings name.
    real_class_px : tuple of int
        Labelled pixels of each class in the real images, at the training size.
    splits : dict of str to Split
        By image key; images that are not in it were not part of the training.
    build_weighter : callable
        ``(level, in_channels, num_channels, width=.., depth=..) -> nn.Module`` which maps
        (N, F, h, w) and (N, h, w) bool to logits (N, K, h, w).
    """

    num_classes: int
    feature_channels: Mapping[str, int]
    real_class_px: Sequence[int]
    splits: Mapping[str, Split]
    build_weighter: Callable[..., nn.Module]


class Method(nn.Module, ABC):
    """A way to tell how much each synthetic pixel is worth.

    The joint training calls `step` on every batch and `judge` now and then; scoring calls
    `scores`. Networks are submodules, so ``state_dict`` holds whatever scoring needs.

    Where several processes train together, `step` and `penalty` get this process's share of a
    step and take sums over the whole step with `curate.distributed`; `penalty` returns this
    process's part of the term. `judge` runs in the first process alone, and what it changed in
    ``state_dict`` and `training_state` is copied to the others.
    """

    Settings: ClassVar[type[Strict]]
    gives_scores: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def build(cls, settings: Any, context: MethodContext) -> Method:  # noqa: ANN401
        """Make an untrained method from its checked settings."""

    @classmethod
    def stages(cls, settings: Any) -> tuple[str, ...]:  # noqa: ANN401, ARG003
        """Name the backbone stages whose features the evidence must hold."""
        return ()

    @classmethod
    def num_folds(cls, settings: Any) -> int:  # noqa: ANN401, ARG003
        """Tell into how many folds the images are dealt."""
        return 1

    @abstractmethod
    def step(self, evidence: Evidence, *, is_warmup: bool) -> tuple[Tensor, dict[str, float]]:
        """Learn from one batch and weigh it.

        Returns
        -------
        weights : (N, h, w) float32
            Detached; mean 1 over the valid cells of the synthetic data, 1 during the warm-up.
        metrics : dict of str to float
        """

    @property
    def has_penalty(self) -> bool:
        """Whether `penalty` is to be added to the segmenter's loss."""
        return False

    def penalty(self, predictions: Tensor, evidence: Evidence) -> Tensor:
        """Return a term for the segmenter's loss.

        `predictions` are those of the evidence with their graph to the segmenter attached.
        """
        raise NotImplementedError

    def judge(self, held_out: Sequence[Evidence], *, is_last: bool) -> dict[str, float]:  # noqa: ARG002
        """Measure the method on held-out images of both domains, and keep what is best so far."""
        return {}

    def scores(self, evidence: Evidence) -> LevelScores:
        """Score images; see `LevelScores`."""
        raise NotImplementedError

    def training_state(self) -> dict[str, Any]:
        """Nested dicts and lists of tensors and plain values that `step` needs to go on."""
        return {}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take over what `training_state` returned."""


def unit_weights(evidence: Evidence) -> Tensor:
    """Weight 1 for every cell."""
    return torch.ones_like(evidence.label_map, dtype=torch.float32)
