"""Confidence: synthetic pixels weigh what their labels are worth to segmenters that can tell.

A few reference segmenters are trained on real images only, before the joint training; in it, their
predictions and the segmenter's own are put together by `curate.methods.label_confidence`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from curate.methods import label_confidence, protocol, references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate import models, records, weighting


class ConfidenceSettings(references.ReferenceSettings):
    """``[method]`` of ``confidence``."""

    own: float = Field(0.5, ge=0, le=1)
    """Exponent of the segmenter's own probability in the geometric mean; the rest is theirs."""

    clip: float = Field(4.0, ge=1)
    """Largest multiple of the mean that a weight may have."""


class Confidence(protocol.Method):
    """Reference segmenters, and the posterior of a label."""

    Settings = ConfidenceSettings
    prepares = True

    num_learned: Tensor

    def __init__(self, settings: ConfidenceSettings, context: protocol.MethodContext) -> None:
        super().__init__()
        self.settings, self.splits = settings, dict(context.splits)
        self.references = nn.ModuleList(context.build_segmenter() for _ in range(settings.folds))
        self.confidence = label_confidence.LabelConfidence(
            context.num_classes, context.splits, own=settings.own, clip=settings.clip
        )
        self.register_buffer("num_learned", torch.zeros((), dtype=torch.int64))

    @classmethod
    def num_folds(cls, settings: ConfidenceSettings) -> int:
        """One a reference segmenter."""
        return settings.folds

    def train(self, mode: bool = True) -> Confidence:
        """Set the mode; reference segmenters, once trained, only predict."""
        super().train(mode)
        self.references.eval()
        return self

    def prepare(self, preparation: protocol.Preparation) -> Iterator[protocol.Progress]:
        """Train one reference segmenter after the other."""
        made = [self._reference(fold) for fold in range(self.settings.folds)]
        return references.train_references(
            made, preparation, self.splits, self.settings, self.num_learned
        )

    @torch.no_grad()
    def step(
        self, evidence: records.Evidence, *, is_warmup: bool
    ) -> tuple[Tensor, dict[str, float]]:
        """Weigh the batch's synthetic cells."""
        return self.confidence.step(evidence, self._predict, is_warmup=is_warmup)

    @torch.no_grad()
    def scores(self, evidence: records.Evidence) -> records.LevelScores:
        """Score images by all reference segmenters."""
        folds = range(self.settings.folds)
        logs = torch.stack([self._predict(fold, evidence.images) for fold in folds])
        levels: records.LevelScores = self.confidence(evidence, logs)
        return levels

    def weight_rule(self) -> weighting.WeightRule:
        """Return the rule of the last step."""
        return self.confidence.weight_rule()

    def _predict(self, fold: int, images: Tensor) -> Tensor:
        """Return log-probabilities (N, C, h, w) float16 by the reference of a fold."""
        return references.reference_log_probabilities(self._reference(fold), images)

    def _reference(self, fold: int) -> models.Segmenter:
        """Return the reference segmenter of a fold."""
        return cast("models.Segmenter", self.references[fold])
