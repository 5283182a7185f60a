"""Segmenters and weighting networks."""

from __future__ import annotations

from curate.models.folding import FoldedCopy, fold_in_place
from curate.models.registry import build_segmenter
from curate.models.segmenter import Prediction, Segmenter
from curate.models.weighters import build_weighter

__all__ = [
    "FoldedCopy",
    "Prediction",
    "Segmenter",
    "build_segmenter",
    "build_weighter",
    "fold_in_place",
]
