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
    LEAST_TRUST,
    PLANTED_TRUST_POWER,
    TRUST_POWER,
    fuse,
    measure_agreement,
)
from curate.methods.streams.streams import PLANTED, STREAMS
from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Mapping


class Panel(nn.Module):
    """What is known of the streams once they have learned; nothing speaks before `listen`.

    Attributes
    ----------
    speaks : (S,) bool
        By stream, in the order of `STREAMS`.
    trusts, levels, aurocs : (S,) float32
        See `fuse`, `real_level` and `cell_auroc`.
    factors : (C,) float32
        See `class_factors`.
    """

    speaks: Tensor
    trusts: Tensor
    levels: Tensor
    aurocs: Tensor
    factors: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("speaks", torch.zeros(len(STREAMS), dtype=torch.bool))
        self.register_buffer("trusts", torch.ones(len(STREAMS)))
        self.register_buffer("levels", torch.zeros(len(STREAMS)))
        self.register_buffer("aurocs", torch.full((len(STREAMS),), 0.5))
        self.register_buffer("factors", torch.ones(num_classes))

    @property
    def speaking(self) -> tuple[str, ...]:
        """Names of the streams that speak."""
        return tuple(n for n, speaks in zip(STREAMS, self.speaks.tolist(), strict=True) if speaks)

    def opine(self, name: str, logits: Tensor) -> Tensor:
        """Turn a stream's logits into the posterior "unspoiled"."""
        if STREAMS[name].knows_faults:
            return logits.sigmoid()
        return posterior(logits, self.levels[list(STREAMS).index(name)])

    def fuse(self, opinions: Mapping[str, Tensor], like: Tensor) -> Tensor:
        """Fuse what streams that speak hold of each cell; 0.5 where there are none."""
        trusts = dict(zip(STREAMS, self.trusts.tolist(), strict=True))
        trusted = {name: (opinion, trusts[name]) for name, opinion in opinions.items()}
        planted = trusted.pop(PLANTED, None)
        return fuse(planted, list(trusted.values()), like)

    def balance(self, scores: Tensor, label_map: Tensor) -> Tensor:
        """Multiply scores (N, h, w) in [0, 1] by the factors of their classes."""
        classes = label_map.long().clamp(max=len(self.factors) - 1)  # what is ignored never counts
        return scores * self.factors[classes]

    def listen(self, logits: Mapping[str, Tensor], label_map: Tensor, is_real: Tensor) -> None:
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
            if stream.knows_faults:
                self.speaks[index] = finds_less_good(found.sigmoid(), valid, is_real)
            else:
                self.speaks[index] = tells_domains_apart(found, valid, is_real)
        self._settle_trusts(logits, valid & ~is_real[:, None, None])
        opinions = {name: self.opine(name, logits[name][~is_real]) for name in self.speaking}
        labels = label_map[~is_real]
        # as much of a class is unspoiled as the planted stream says, as far as it is trusted
        planted = {name: opinion for name, opinion in opinions.items() if name == PLANTED}
        scores, shares = self.fuse(opinions, labels), self.fuse(planted, labels)
        self.factors.copy_(class_factors(scores, shares, labels, len(self.factors)))

    def _settle_trusts(self, logits: Mapping[str, Tensor], synthetic: Tensor) -> None:
        """Trust each stream as far as it and the planted one agree on the synthetic cells.

        The planted stream is trusted as far as the one that agrees best with it, or all of them
        together, for each may see another part of what it sees. Where nobody agrees with it,
        synthetic images are beyond what planted faults can teach.
        """
        if PLANTED not in self.speaking:
            return
        planted = logits[PLANTED][synthetic]
        together, agreements = torch.zeros_like(planted), []
        for index, (name, stream) in enumerate(STREAMS.items()):
            if name != PLANTED and stream.looks_around and self.speaks[index]:
                found = logits[name][synthetic]
                agreements.append(measure_agreement(found, planted))
                self.trusts[index] = agreements[-1] ** TRUST_POWER
                together += self.opine(name, found).log()
        if agreements:
            agreements.append(measure_agreement(together, planted))
            self.trusts[0] = max(LEAST_TRUST, max(agreements) ** PLANTED_TRUST_POWER)
