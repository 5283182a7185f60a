"""Losses that multiply each pixel by its weight."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from curate.errors import UsageError
from curate.records import IGNORE_INDEX


def weighted_cross_entropy(
    logits: Tensor, label_map: Tensor, weights: Tensor, *, ignore_index: int = IGNORE_INDEX
) -> Tensor:
    """Average the cross-entropy of all valid pixels, each times its weight.

    Parameters
    ----------
    logits : (N, C, H, W) float
    label_map : (N, H, W) integer
        Class indices; pixels of `ignore_index` are in neither sum.
    weights : (N, H, W) or (N, 1, H, W) float
        As of `curate.ScoreFile.weight_map`; whatever they are where the label is ignored.

    Returns
    -------
    loss : () float32
        ``sum(v w CE) / sum(v)``, v = 1 where the label is valid: the plain mean where all weights
        are 1, and 0 where no pixel is valid. Weights have mean 1 over the data set, so there is no
        division by their sum, by which an image alone in its batch would lose its weight.

    Raises
    ------
    UsageError
        If the shapes do not fit.

    Examples
    --------
    Two equally probable classes: each pixel costs log 2. Of two valid ones one weighs 0.

    >>> labels = torch.tensor([[[0, 1, 255]]])
    >>> weights = torch.tensor([[[1.0, 0.0, 9.0]]])
    >>> round(weighted_cross_entropy(torch.zeros(1, 2, 1, 3), labels, weights).item(), 4)
    0.3466
    """
    if weights.ndim == 4 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if not (weights.shape == label_map.shape == (len(logits), *logits.shape[2:])):
        msg = (
            f"logits {tuple(logits.shape)}, label_map {tuple(label_map.shape)} and weights "
            f"{tuple(weights.shape)} do not fit: they must be (N, C, H, W), (N, H, W), (N, H, W)."
        )
        raise UsageError(msg)
    is_valid = label_map != ignore_index
    losses = F.cross_entropy(
        logits.float(), label_map.long(), ignore_index=ignore_index, reduction="none"
    )
    used = torch.where(is_valid, weights.detach(), 0)  # before it is multiplied: 0 * NaN is NaN
    return (losses * used).sum() / is_valid.sum().clamp(min=1)
