"""What a stream's logits are worth: whether it may speak, and how sure it is of a cell."""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from curate.metrics import auroc
from curate.records import IGNORE_INDEX

STANDARD_ERRORS: Final = 3.0
"""By how many standard errors, over images, a stream must beat having no opinion."""
ROUNDING: Final = 1e-6
"""What is no more than this, in nats or probability, is nothing, however sure it is."""
BELOW: Final = 0.25
"""Share of the real cells that is below the level from which a stream has nothing to object."""
ENOUGH: Final = 100
"""Cells below which a class has no factor of its own."""
MOST: Final = 10.0
"""No class's scores are raised further, relative to those of all cells."""
PULL: Final = 1e-3
"""How strongly `calibrate` holds on to what a stream said itself."""
LEAST: Final = 0.005
"""No stream that learned the domains holds less than this of a cell."""


def mean_of_images(cells: Tensor, valid: Tensor) -> Tensor:
    """Average (N, h, w) over the valid cells of each image that has one, (n,)."""
    counts = valid.sum(dim=(1, 2))
    has_any = counts > 0
    return ((cells * valid).sum(dim=(1, 2)) / counts.clamp(min=1))[has_any]


def calibrate(logits: Tensor, valid: Tensor, is_real: Tensor) -> Tensor:
    """Bring logits of "real" to the scale and offset that suit images nobody learned from.

    Networks are surer of the few real images that they learned from than of others: those look
    synthetic to them by an offset, which says nothing of what they can tell apart. Platt's method
    (Probabilistic outputs for support vector machines, 1999): logistic regression of the domain on
    the logit. Each domain counts the same, and so does each image of it.

    Parameters
    ----------
    logits : (N, h, w) float32
        Of each image, by networks that did not learn from it.
    valid : (N, h, w) bool
    is_real : (N,) bool

    Returns
    -------
    calibrated : (N, h, w) float32
        No logit is turned upside down: the scale is at least 0.
    """
    counts = valid.sum(dim=(1, 2), keepdim=True).clamp(min=1)
    weight = valid.double() / counts
    for domain in (is_real, ~is_real):
        weight[domain] /= max(1, int(domain.sum()))
    target = is_real[:, None, None].expand_as(logits).double()
    scale, offset = _regress(logits.double(), target, weight)
    return scale * logits + offset


def _regress(logits: Tensor, target: Tensor, weight: Tensor) -> tuple[float, float]:
    """Fit scale, at least 0, and offset of logits to a target, with a pull towards 1 and 0."""
    untouched = torch.tensor([1.0, 0.0], dtype=torch.float64, device=logits.device)
    found = untouched.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([found], max_iter=30, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        fitted = found[0] * logits + found[1]
        value = F.binary_cross_entropy_with_logits(fitted, target, weight, reduction="sum")
        value = value + PULL * (found - untouched).square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    scale, offset = found.tolist()
    return max(0.0, scale), offset


def tells_domains_apart(logits: Tensor, valid: Tensor, is_real: Tensor) -> bool:
    """Decide whether a stream that learned the domains found anything.

    It did if its log-loss on images that it did not learn from, calibrated and each domain counting
    the same, is below log 2 by more than `STANDARD_ERRORS`. Noise does not gain as much by the two
    numbers of the calibration: its gain is half their own, in standard errors.

    Parameters
    ----------
    logits : (N, h, w) float32
        Of "real".
    valid : (N, h, w) bool
    is_real : (N,) bool
    """
    fair = calibrate(logits, valid, is_real)
    target = is_real[:, None, None].expand_as(fair).float()
    gains = math.log(2) - F.binary_cross_entropy_with_logits(fair, target, reduction="none")
    return _is_positive([mean_of_images(gains[d], valid[d]) for d in (is_real, ~is_real)])


def finds_less_good(goodness: Tensor, valid: Tensor, is_real: Tensor) -> bool:
    """Decide whether a stream that learned planted faults finds more of them in synthetic images.

    Parameters
    ----------
    goodness : (N, h, w) float32
        In [0, 1].
    valid, is_real : (N, h, w) bool, (N,) bool
    """
    real = mean_of_images(goodness[is_real], valid[is_real])
    synthetic = mean_of_images(goodness[~is_real], valid[~is_real])
    return _is_positive([real, -synthetic])


def _is_positive(samples: list[Tensor]) -> bool:
    """Tell whether the sum of the samples' means is above 0 by enough standard errors."""
    if min(len(sample) for sample in samples) < 2:
        return False
    total = sum(float(sample.mean()) for sample in samples)
    variance = sum(float(sample.var()) / len(sample) for sample in samples)
    return total > max(STANDARD_ERRORS * math.sqrt(variance), ROUNDING)


def real_level(logits: Tensor, valid: Tensor, is_real: Tensor) -> Tensor:
    """Take the logit that most real cells reach: they are all unspoiled."""
    cells = logits[is_real][valid[is_real]].sort().values
    if not len(cells):
        return torch.zeros((), device=logits.device)
    return cells[int(BELOW * (len(cells) - 1))]


def posterior(logits: Tensor, level: Tensor) -> Tensor:
    """Turn a logit of "real" into the probability that a cell is unspoiled.

    Where a synthetic set is part unspoiled, a share a, and part spoiled, the posterior is
    a r(x) with the density ratio r = p_real / p_synthetic, the exponential of the logit. It
    is 1 where nothing spoiled looks alike, which is what real cells usually reach. It is
    never below `LEAST`.

    Parameters
    ----------
    logits : (...) float32
    level : scalar
        From `real_level`.
    """
    return (logits - level).clamp(max=0).exp().clamp(min=LEAST)


def class_factors(scores: Tensor, shares: Tensor, label_map: Tensor, num_classes: int) -> Tensor:
    """Find what to multiply the scores of each class by, so that it keeps its share of the weight.

    Every stream sees the label, and so every one of them lowers the odds of a class whose labels
    are often wrong. In their product this counts several times: of small and rare classes, which
    suffer most, next to nothing would be left. It is to count once.

    Parameters
    ----------
    scores, shares : (N, h, w) float32
        In [0, 1]: what all streams together hold of synthetic cells, and what is to be taken, in
        the mean of a class, for its unspoiled share.
    label_map : (N, h, w) uint8
        255 = ignore.

    Returns
    -------
    factors : (C,) float32
        In (0, 1], the largest 1: no class is raised more than `MOST` times as far as all cells.
    """
    valid = label_map != IGNORE_INDEX
    classes = label_map[valid].long()
    counts = torch.bincount(classes, minlength=num_classes)

    def average(cells: Tensor) -> Tensor:
        sums = torch.bincount(classes, cells[valid].double(), minlength=num_classes)
        mean = sums.sum() / counts.sum().clamp(min=1)
        return torch.where(counts < ENOUGH, mean, sums / counts.clamp(min=1)) / mean

    factors = (average(shares) / average(scores)).nan_to_num(nan=1.0).clamp(max=MOST)
    return (factors / factors.max()).float()


def cell_auroc(logits: Tensor, valid: Tensor, is_real: Tensor) -> float:
    """AUROC of real against synthetic cells."""
    domain = is_real[:, None, None].expand_as(valid)
    return auroc(logits[valid].cpu().numpy(), domain[valid].cpu().numpy())
