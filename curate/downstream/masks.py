"""Maps of scores and weights as masks, which torchvision's transforms change with the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torchvision import tv_tensors

if TYPE_CHECKING:
    from curate.scores.score_file import ScoreFile


def weight_mask(scores: ScoreFile, image_id: str, **how: Any) -> tv_tensors.Mask:  # noqa: ANN401
    """Read the weight of each pixel as a mask, (1, H, W) float32.

    Options are those of `curate.ScoreFile.weight_map`. Transforms crop, flip and resize masks like
    labels: without interpolation, and 0 comes in from outside.
    """
    return tv_tensors.Mask(torch.from_numpy(scores.weight_map(image_id, **how))[None])


def score_mask(scores: ScoreFile, image_id: str, **how: Any) -> tv_tensors.Mask:  # noqa: ANN401
    """Read the score of each pixel as a mask, (1, H, W) float32; see `weight_mask`."""
    return tv_tensors.Mask(torch.from_numpy(scores.score_map(image_id, **how))[None])
