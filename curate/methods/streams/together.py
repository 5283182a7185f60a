"""Networks of several streams and folds on the same images, where nothing is learned.

What is the same in all folds is made, and laid out by cells, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from curate.methods.streams import networks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curate.methods.streams.features import StreamFeatures

_SHARED: Final = {
    networks.APPEARANCE: lambda features: features.appearance.float(),
    networks.LAYOUT: networks.stack_layout,
}
"""Inputs that are the same in all folds."""


@torch.no_grad()
def compute_folds(
    folds: Sequence[Mapping[str, networks.StreamNetwork]], features: Sequence[StreamFeatures]
) -> list[dict[str, Tensor]]:
    """Compute the logits of networks of several folds.

    Parameters
    ----------
    folds : sequence of mappings of str to StreamNetwork
        Networks of each fold by stream.
    features : sequence of StreamFeatures
        What those of each fold see of the same N images: they differ in predictions alone.

    Returns
    -------
    logits : list of dict of str to (N, h, w) float32
        Of each fold by stream; but for rounding what each network returns by itself.
    """
    wanted = {name for of_fold in folds for network in of_fold.values() for name in network.inputs}
    shared = {name: _lay_out(_SHARED[name](features[0])) for name in wanted & _SHARED.keys()}
    found = []
    for of_fold, seen in zip(folds, features, strict=True):
        cells = shared
        if networks.SEMANTICS in wanted:
            cells = shared | {networks.SEMANTICS: _lay_out(networks.stack_semantics(seen))}
        found.append({name: network.compute(cells) for name, network in of_fold.items()})
    return found


def _lay_out(inputs: Tensor) -> Tensor:
    """Lay (N, F, h, w) out by cells, (N, h, w, F)."""
    return inputs.movedim(1, -1).contiguous()
