"""W^1 and W^C: which output channel of a weighting network speaks for a cell, and its loss.

A network has one shared channel (W^1, channel 0) and, in W^C, one more per class. A cell trains
and reads the channel of its own class; classes with too few real pixels, and ignored cells, read
the shared channel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from curate.distributed import sum_over_ranks


def channel_lookup(real_class_px: Tensor, *, min_px: int, per_class: bool) -> Tensor:
    """Map a class index 0 .. 255 to an output channel.

    Parameters
    ----------
    real_class_px : (C,) int64
        Labelled real pixels of each class.
    min_px : int
        Classes with fewer read the shared channel.
    per_class : bool
        False: W^1, every class reads the shared channel.

    Returns
    -------
    lookup : (256,) int64
    """
    lookup = torch.zeros(256, dtype=torch.int64)
    if per_class:
        num_classes = len(real_class_px)
        own = torch.arange(1, num_classes + 1)
        lookup[:num_classes] = torch.where(real_class_px >= min_px, own, 0)
    return lookup


def read_channel(logits: Tensor, channel: Tensor) -> Tensor:
    """Pick one channel a cell.

    Parameters
    ----------
    logits : (N, K, h, w)
    channel : (N, h, w) int64

    Returns
    -------
    picked : (N, h, w)
    """
    if logits.shape[1] == 1:
        return logits[:, 0]
    return logits.gather(1, channel[:, None])[:, 0]


def balance(group: Tensor, is_real: Tensor, usable: Tensor, num_groups: int) -> Tensor:
    """Weigh cells so that domains count the same within a group, and groups count the same.

    Groups (classes) that only one domain shows in this step get weight 0: how often a class
    occurs must not pass for how real it looks.

    Parameters
    ----------
    group : (N, h, w) int64
        0 .. `num_groups`-1.
    is_real : (N,) bool
    usable : (N, h, w) bool
        Cells that take part.

    Returns
    -------
    weights : (N, h, w) float32
        Sum 2 (1 a domain) over the batches of all processes, or all 0 where no group is seen in
        both domains.
    """
    domain = is_real[:, None, None].expand_as(group)
    key = group + num_groups * domain
    counts = torch.zeros(2 * num_groups, device=group.device)
    counts.scatter_add_(0, key.flatten(), usable.flatten().float())
    per_domain = sum_over_ranks(counts).view(2, num_groups)
    shared = (per_domain > 0).all(dim=0)
    scale = shared / per_domain.clamp(min=1) / shared.sum().clamp(min=1)
    return scale.flatten()[key] * usable


def realism_loss(picked: Tensor, is_real: Tensor, weights: Tensor, *, smoothing: float) -> Tensor:
    """Binary cross-entropy of "real" with smoothed targets, averaged by `balance` weights.

    Parameters
    ----------
    picked : (N, h, w)
        Logit of each cell.
    smoothing : float
        Targets are ``1 - smoothing`` for real and ``smoothing`` for synthetic cells.

    Returns
    -------
    loss : scalar
        Mean of both domains' losses: log 2 at logit 0; of several processes, this one's part.
    """
    target = torch.where(is_real, 1 - smoothing, smoothing)[:, None, None].expand_as(picked)
    losses = F.binary_cross_entropy_with_logits(picked, target, reduction="none")
    return (losses * weights).sum() / 2
