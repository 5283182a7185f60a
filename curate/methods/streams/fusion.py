"""Fusion of the streams: which are active, how far each is trusted, and one posterior of all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from curate import metrics, records
from curate.methods.streams import calibration
from curate.methods.streams.streams import CORRUPTION, STREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INACTIVE_POSTERIOR: Final = 0.95
"""Posterior of every cell that stands for the corruption stream where it is inactive."""
MIN_TRUST: Final = 0.1
"""The corruption stream is never trusted less."""
TRUST_POWER: Final = 2
"""Trust is agreement to this power."""
CORRUPTION_TRUST_POWER: Final = 3
"""That of the corruption stream: its logits spread widest, and would outweigh the others where it
is right only in part."""
_EPSILON: Final = 1e-6

Trusted = tuple[Tensor, float]
"""Posterior in (0, 1) of cells, (N, h, w) float32, and the trust in it, in [0, 1]."""


def fuse(corruption: Trusted | None, others: Sequence[Trusted], like: Tensor) -> Tensor:
    """Lower the odds of the corruption stream by the posteriors of the others.

    The odds "sound" of the corruption stream, to the power of its trust, are multiplied by the
    posterior, at most 1, of each other stream, to the power of its own. So no stream with a
    posterior of 1 can make up for one that finds a cell corrupted.

    Parameters
    ----------
    corruption : Trusted or None
        None where it is inactive.
    others : sequence of Trusted
        Of each other active stream.
    like : (N, h, w)
        Of the result's shape and device.

    Returns
    -------
    fused : (N, h, w) float32
        0.5 where no stream is active.
    """
    if corruption is None and not others:
        return torch.full(like.shape, 0.5, device=like.device)
    usual = torch.full(like.shape, INACTIVE_POSTERIOR, device=like.device)
    base, base_trust = corruption or (usual, 1.0)
    logits = base_trust * torch.logit(base, eps=_EPSILON)
    for posterior, trust in others:
        logits = logits + trust * posterior.log()
    return logits.sigmoid()


def measure_agreement(logits: Tensor, corruption_logits: Tensor) -> float:
    """Measure how far a stream ranks single cells as the corruption stream does.

    A stream that was trained on the domains may tell them apart by features beside the corrupted
    cells: a part of the image is corrupted, and all of it looks synthetic. The corruption stream
    was trained on where corruptions end.

    Parameters
    ----------
    logits, corruption_logits : (P,) float32
        Of both streams, for valid cells of synthetic images.

    Returns
    -------
    agreement : float
        In [0, 1]: twice the AUROC for the decision of the corruption stream, less 1; at least 0.
        It is 1 where the corruption stream decides for all cells alike.
    """
    area = metrics.auroc(logits.cpu().numpy(), (corruption_logits > 0).cpu().numpy())
    return 1.0 if math.isnan(area) else max(0.0, 2 * area - 1)


class Fusion(nn.Module):
    """What is known of the trained streams; none is active before `calibrate`.

    Attributes
    ----------
    is_active : (S,) bool
        By stream, in the order of `STREAMS`.
    trusts, quantiles, aurocs : (S,) float32
        See `fuse`, `real_quantile` and `cell_auroc`.
    """

    is_active: Tensor
    trusts: Tensor
    quantiles: Tensor
    aurocs: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("is_active", torch.zeros(len(STREAMS), dtype=torch.bool))
        self.register_buffer("trusts", torch.ones(len(STREAMS)))
        self.register_buffer("quantiles", torch.zeros(len(STREAMS)))
        self.register_buffer("aurocs", torch.full((len(STREAMS),), 0.5))

    @property
    def active_streams(self) -> tuple[str, ...]:
        """Names of the active streams."""
        pairs = zip(STREAMS, self.is_active.tolist(), strict=True)
        return tuple(name for name, is_active in pairs if is_active)

    def posterior(self, name: str, logits: Tensor) -> Tensor:
        """Turn a stream's logits into the posterior "sound"."""
        if STREAMS[name].is_real_only:
            return logits.sigmoid()
        return calibration.domain_posterior(logits, self.quantiles[list(STREAMS).index(name)])

    def fuse(self, posteriors: Mapping[str, Tensor], like: Tensor) -> Tensor:
        """Fuse the posteriors of active streams; 0.5 where there are none."""
        trusts = dict(zip(STREAMS, self.trusts.tolist(), strict=True))
        trusted = {name: (posterior, trusts[name]) for name, posterior in posteriors.items()}
        corruption = trusted.pop(CORRUPTION, None)
        return fuse(corruption, list(trusted.values()), like)

    def calibrate(self, logits: Mapping[str, Tensor], label_map: Tensor, is_real: Tensor) -> None:
        """Calibrate all streams by their logits of images that they were not trained on.

        Parameters
        ----------
        logits : dict of str to (N, h, w) float32
            Of every stream.
        label_map : (N, h, w) uint8
            255 = ignore.
        is_real : (N,) bool
        """
        valid = label_map != records.IGNORE_INDEX
        for index, (name, stream) in enumerate(STREAMS.items()):
            found = logits[name]
            self.quantiles[index] = calibration.real_quantile(found, valid, is_real)
            self.aurocs[index] = calibration.cell_auroc(found, valid, is_real)
            if stream.is_real_only:
                is_active = calibration.finds_corruption(found.sigmoid(), valid, is_real)
            else:
                is_active = calibration.separates_domains(found, valid, is_real)
            self.is_active[index] = is_active
        self._measure_trusts(logits, valid & ~is_real[:, None, None])

    def _measure_trusts(self, logits: Mapping[str, Tensor], synthetic: Tensor) -> None:
        """Trust each stream as far as it and the corruption stream agree on the synthetic cells.

        The corruption stream is trusted as far as the one that agrees best with it, or all of them
        together, for each may find another part of what it finds. Where none agrees with it,
        synthetic images are beyond what injected corruptions can teach.
        """
        if CORRUPTION not in self.active_streams:
            return
        corruption_logits = logits[CORRUPTION][synthetic]
        together, agreements = torch.zeros_like(corruption_logits), []
        for index, (name, stream) in enumerate(STREAMS.items()):
            if name != CORRUPTION and stream.has_context and self.is_active[index]:
                found = logits[name][synthetic]
                agreements.append(measure_agreement(found, corruption_logits))
                self.trusts[index] = agreements[-1] ** TRUST_POWER
                together += self.posterior(name, found).log()
        if agreements:
            agreements.append(measure_agreement(together, corruption_logits))
            self.trusts[0] = max(MIN_TRUST, max(agreements) ** CORRUPTION_TRUST_POWER)
