"""Confidence: synthetic pixels weigh what their labels are worth to segmenters that can tell.

A few reference segmenters are trained on real images only, before the joint training; in it, their
predictions and the segmenter's own are put together by `curate.methods.label_confidence`, which
has learned from the real images, each predicted by the reference that did not see it, what they
tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field
from torch import Tensor

from curate import grid
from curate.methods import label_confidence, protocol, references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate import records, weighting


class ConfidenceSettings(references.ReferenceSettings):
    """``[method]`` of ``confidence``."""

    own: float = Field(1.0, ge=0, le=1)
    """Exponent of the segmenter's own probability, beside the posterior by their predictions."""

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
        made = [context.build_segmenter() for _ in range(settings.folds)]
        self.references = references.References(made)
        self.confidence = label_confidence.LabelConfidence(
            context.num_classes, context.splits, own=settings.own, clip=settings.clip
        )
        self.register_buffer("num_learned", torch.zeros((), dtype=torch.int64))

    @classmethod
    def num_folds(cls, settings: ConfidenceSettings) -> int:
        """One a reference segmenter."""
        return settings.folds

    @classmethod
    def steps_before(cls, settings: Any, num_steps: int) -> int:  # noqa: ANN401
        """Count the steps of a reference segmenter."""
        return int(settings.steps_of_each(num_steps))

    def prepare(self, preparation: protocol.Preparation) -> Iterator[protocol.Progress]:
        """Train one reference segmenter after the other, then learn what they tell."""
        yield from self.references.learn(preparation, self.splits, self.settings, self.num_learned)
        domains = (preparation.real, preparation.synthetic)
        logs = [self.references.predict_unseen(each, self.splits) for each in domains]
        label_map = torch.cat([grid.centres(each.label_map) for each in domains])
        is_real = torch.cat([each.is_real for each in domains])
        self.confidence.calibrate(torch.cat(logs), label_map, is_real)

    @torch.no_grad()
    def step(
        self, evidence: records.Evidence, *, is_warmup: bool
    ) -> tuple[Tensor, dict[str, float]]:
        """Weigh the batch's synthetic cells."""
        return self.confidence.step(evidence, self.references.predict, is_warmup=is_warmup)

    @torch.no_grad()
    def scores(self, evidence: records.Evidence) -> records.LevelScores:
        """Score images by all reference segmenters."""
        logs = self.references.predict_all(evidence.images)
        levels: records.LevelScores = self.confidence(evidence, logs)
        return levels

    def weight_rule(self) -> weighting.WeightRule:
        """Return the rule of the last step."""
        return self.confidence.weight_rule()
