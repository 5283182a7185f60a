"""The panel of streams: which may speak, how far each is trusted, what they say together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from curate.methods.streams.calibration import (
    cell_auroc,
    class_factors,
    finds_less_good,
    posterior,
    real_level,
    tells_domains_apart,
)
from curate.methods.streams.fusion import (
    CORRUPTION_TRUST_POWER,
    LEAST_TRUST,
    TRUST_POWER,
    fuse,
    measure_agreement,
)
from curate.methods.streams.streams import CORRUPTION, STREAMS
from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Mapping


class Fusion(nn.Module):
    """What is known of the trained streams; none is active before `calibrate_streams`.

    Attributes
    ----------
    is_active : (S,) bool
        By stream, in the order of `STREAMS`.
    trusts, levels, aurocs : (S,) float32
        See `fuse`, `real_level` and `cell_auroc`.
    factors : (C,) float32
        See `class_factors`.
    """

    is_active: Tensor
    trusts: Tensor
    levels: Tensor
    aurocs: Tensor
    factors: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("is_active", torch.zeros(len(STREAMS), dtype=torch.bool))
        self.register_buffer("trusts", torch.ones(len(STREAMS)))
        self.register_buffer("levels", torch.zeros(len(STREAMS)))
        self.register_buffer("aurocs", torch.full((len(STREAMS),), 0.5))
        self.register_buffer("factors", torch.ones(num_classes))

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the streams that speak."""
        return tuple(
            n for n, is_active in zip(STREAMS, self.is_active.tolist(), strict=True) if is_active
        )

    def posterior_of(self, name: str, logits: Tensor) -> Tensor:
        """Turn a stream's logits into the posterior "unspoiled"."""
        if STREAMS[name].sees_corruptions:
            return logits.sigmoid()
        return posterior(logits, self.levels[list(STREAMS).index(name)])

    def fuse(self, posteriors: Mapping[str, Tensor], like: Tensor) -> Tensor:
        """Fuse what streams that speak hold of each cell; 0.5 where there are none."""
        trusts = dict(zip(STREAMS, self.trusts.tolist(), strict=True))
        trusted = {name: (posterior, trusts[name]) for name, posterior in posteriors.items()}
        injected = trusted.pop(CORRUPTION, None)
        return fuse(injected, list(trusted.values()), like)

    def balance(self, scores: Tensor, label_map: Tensor) -> Tensor:
        """Multiply scores (N, h, w) in [0, 1] by the factors of their classes."""
        classes = label_map.long().clamp(max=len(self.factors) - 1)  # what is ignored never counts
        return scores * self.factors[classes]

    def calibrate_streams(
        self, logits: Mapping[str, Tensor], label_map: Tensor, is_real: Tensor
    ) -> None:
        """Judge all streams by what they say of images that they never learned from.

        Parameters
        ----------
        logits : dict of str to (N, h, w) float32
            Of every stream.
        label_map : (N, h, w) uint8
            255 = ignore.
        is_real : (N,) bool
        """
        valid = label_map != IGNORE_INDEX
        for index, (name, stream) in enumerate(STREAMS.items()):
            found = logits[name]
            self.levels[index] = real_level(found, valid, is_real)
            self.aurocs[index] = cell_auroc(found, valid, is_real)
            if stream.sees_corruptions:
                self.is_active[index] = finds_less_good(found.sigmoid(), valid, is_real)
            else:
                self.is_active[index] = tells_domains_apart(found, valid, is_real)
        self._settle_trusts(logits, valid & ~is_real[:, None, None])
        posteriors = {name: self.posterior_of(name, logits[name][~is_real]) for name in self.active}
        labels = label_map[~is_real]
        # as much of a class is unspoiled as the planted stream says, as far as it is trusted
        injected = {name: posterior for name, posterior in posteriors.items() if name == CORRUPTION}
        scores, shares = self.fuse(posteriors, labels), self.fuse(injected, labels)
        self.factors.copy_(class_factors(scores, shares, labels, len(self.factors)))

    def _settle_trusts(self, logits: Mapping[str, Tensor], synthetic: Tensor) -> None:
        """Trust each stream as far as it and the planted one agree on the synthetic cells.

        The planted stream is trusted as far as the one that agrees best with it, or all of them
        together, for each may see another part of what it sees. Where nobody agrees with it,
        synthetic images are beyond what planted faults can teach.
        """
        if CORRUPTION not in self.active:
            return
        injected = logits[CORRUPTION][synthetic]
        together, agreements = torch.zeros_like(injected), []
        for index, (name, stream) in enumerate(STREAMS.items()):
            if name != CORRUPTION and stream.looks_around and self.is_active[index]:
                found = logits[name][synthetic]
                agreements.append(measure_agreement(found, injected))
                self.trusts[index] = agreements[-1] ** TRUST_POWER
                together += self.posterior_of(name, found).log()
        if agreements:
            agreements.append(measure_agreement(together, injected))
            self.trusts[0] = max(LEAST_TRUST, max(agreements) ** CORRUPTION_TRUST_POWER)
