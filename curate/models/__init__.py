"""Segmenters and weighting networks."""

from __future__ import annotations

from curate.models.registry import SEGMENTERS, build_segmenter
from curate.models.segmenter import Prediction, Segmenter
from curate.models.weighters import (
    WEIGHTERS,
    ImageWeighter,
    PixelWeighter,
    RegionWeighter,
    build_weighter,
)

__all__ = [
    "SEGMENTERS",
    "WEIGHTERS",
    "ImageWeighter",
    "PixelWeighter",
    "Prediction",
    "RegionWeighter",
    "Segmenter",
    "build_segmenter",
    "build_weighter",
]
