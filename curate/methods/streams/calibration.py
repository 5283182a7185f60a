"""Calibration of a stream's logits: whether it is active, and its posterior of each cell."""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from curate import metrics

MIN_STANDARD_ERRORS: Final = 3.0
"""By how many standard errors, over images, an active stream must be better than chance."""
ROUNDING_ERROR: Final = 1e-6
"""A gain that is no more than this, in nats or probability, is none, however small its error."""
REAL_QUANTILE: Final = 0.25
"""Share of the real cells whose logit is below that of posterior 1."""
RIDGE: Final = 1e-3
"""Penalty of `calibrate_logits` on the squared distance from scale 1 and offset 0."""
MIN_POSTERIOR: Final = 0.005
"""Least posterior of a stream that was trained on the domains."""


def mean_of_images(cells: Tensor, valid: Tensor) -> Tensor:
    """Average (N, h, w) over the valid cells of each image that has one, (n,)."""
    counts = valid.sum(dim=(1, 2))
    has_any = counts > 0
    return ((cells * valid).sum(dim=(1, 2)) / counts.clamp(min=1))[has_any]


def calibrate_logits(logits: Tensor, valid: Tensor, is_real: Tensor) -> Tensor:
    """Bring logits of "real" to the scale and offset that suit images not trained on.

    Logits of the few real images that a network was trained on are higher than those of other real
    images: these look synthetic by an offset, however well it separates the domains. Platt's
    method (Probabilistic outputs for support vector machines, 1999): logistic regression of the
    domain on the logit. Each domain counts the same, and so does each image of it.

    Parameters
    ----------
    logits : (N, h, w) float32
        Of each image, by networks that were not trained on it.
    valid : (N, h, w) bool
    is_real : (N,) bool

    Returns
    -------
    calibrated : (N, h, w) float32
        The order of logits is never reversed: the scale is at least 0.
    """
    counts = valid.sum(dim=(1, 2), keepdim=True).clamp(min=1)
    weight = valid.double() / counts
    for domain in (is_real, ~is_real):
        weight[domain] /= max(1, int(domain.sum()))
    target = is_real[:, None, None].expand_as(logits).double()
    scale, offset = _regress(logits.double(), target, weight)
    return scale * logits + offset


def _regress(logits: Tensor, target: Tensor, weight: Tensor) -> tuple[float, float]:
    """Fit scale, at least 0, and offset of logits to a target, with a ridge towards 1 and 0."""
    identity = torch.tensor([1.0, 0.0], dtype=torch.float64, device=logits.device)
    found = identity.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([found], max_iter=30, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        fitted = found[0] * logits + found[1]
        value = F.binary_cross_entropy_with_logits(fitted, target, weight, reduction="sum")
        value = value + RIDGE * (found - identity).square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    scale, offset = found.tolist()
    return max(0.0, scale), offset


def separates_domains(logits: Tensor, valid: Tensor, is_real: Tensor) -> bool:
    """Decide whether a stream that was trained on the domains tells them apart.

    It does if its log-loss on images that it was not trained on, calibrated, each domain counting
    the same, is below log 2 by more than `MIN_STANDARD_ERRORS`. Noise does not gain as much by the
    two numbers of the calibration: its gain is half their own, in standard errors.

    Parameters
    ----------
    logits : (N, h, w) float32
        Of "real".
    valid : (N, h, w) bool
    is_real : (N,) bool
    """
    fair = calibrate_logits(logits, valid, is_real)
    target = is_real[:, None, None].expand_as(fair).float()
    gains = math.log(2) - F.binary_cross_entropy_with_logits(fair, target, reduction="none")
    return _is_positive([mean_of_images(gains[d], valid[d]) for d in (is_real, ~is_real)])


def finds_corruption(scores: Tensor, valid: Tensor, is_real: Tensor) -> bool:
    """Decide whether a stream that was trained on corruptions finds more in synthetic images.

    Parameters
    ----------
    scores : (N, h, w) float32
        Posterior "sound", in [0, 1].
    valid, is_real : (N, h, w) bool, (N,) bool
    """
    real = mean_of_images(scores[is_real], valid[is_real])
    synthetic = mean_of_images(scores[~is_real], valid[~is_real])
    return _is_positive([real, -synthetic])


def _is_positive(samples: list[Tensor]) -> bool:
    """Whether the sum of the samples' means is above 0 by enough standard errors."""
    if min(len(sample) for sample in samples) < 2:
        return False
    total = sum(float(sample.mean()) for sample in samples)
    variance = sum(float(sample.var()) / len(sample) for sample in samples)
    return total > max(MIN_STANDARD_ERRORS * math.sqrt(variance), ROUNDING_ERROR)


def real_quantile(logits: Tensor, valid: Tensor, is_real: Tensor) -> Tensor:
    """Take the logit that most real cells reach, which are all sound."""
    cells = logits[is_real][valid[is_real]].sort().values
    if not len(cells):
        return torch.zeros((), device=logits.device)
    return cells[int(REAL_QUANTILE * (len(cells) - 1))]


def domain_posterior(logits: Tensor, quantile: Tensor) -> Tensor:
    """Turn a logit of "real" into the probability that a cell is sound.

    Where a share a of a synthetic set is sound, and the rest is corrupted, the posterior is
    a r(x) with the density ratio r = p_real / p_synthetic, the exponential of the logit. It
    is 1 where nothing corrupted looks alike, which is what most real cells reach. It is never
    below `MIN_POSTERIOR`.

    Parameters
    ----------
    logits : (...) float32
    quantile : scalar
        From `real_quantile`.
    """
    return (logits - quantile).clamp(max=0).exp().clamp(min=MIN_POSTERIOR)


def cell_auroc(logits: Tensor, valid: Tensor, is_real: Tensor) -> float:
    """AUROC of real against synthetic cells."""
    domain = is_real[:, None, None].expand_as(valid)
    return metrics.auroc(logits[valid].cpu().numpy(), domain[valid].cpu().numpy())
