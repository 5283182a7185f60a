"""Aids for trainers: what a training loop takes from score files."""

from __future__ import annotations

from curate.downstream.drawing import ImageSampler
from curate.downstream.losses import weighted_cross_entropy
from curate.downstream.masks import score_mask, weight_mask
from curate.downstream.weights import weights_from_scores

__all__ = [
    "ImageSampler",
    "score_mask",
    "weight_mask",
    "weighted_cross_entropy",
    "weights_from_scores",
]
