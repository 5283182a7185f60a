"""One segmenter, a copy of it in each process, trained as one."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from curate.models import Prediction, Segmenter, synchronise_batchnorm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from curate.job import World


def replicate(
    segmenter: Segmenter, device: torch.device, world: World
) -> Callable[[Tensor, Sequence[str]], Prediction]:
    """Return what to call instead of the segmenter in training.

    Its batch normalisation becomes that of all processes, and ``backward`` leaves in each
    process the mean over the processes of what their losses give. In a process that is alone it
    is the segmenter itself.

    Parameters
    ----------
    segmenter : Segmenter
        On its device; its copies in the other processes take over the first one's state.
    """
    if world.is_alone and device.type == "cuda":
        return segmenter
    synchronise_batchnorm(segmenter, device)
    if world.is_alone:
        return segmenter
    with warnings.catch_warnings():  # the new name of `broadcast_buffers` came after torch 2.11
        warnings.filterwarnings("ignore", ".*broadcast_buffers", FutureWarning)
        parallel = DistributedDataParallel(
            _Outputs(segmenter),
            broadcast_buffers=False,
            # A network may have parameters that its loss does not reach. To look for them in
            # every step also keeps gradients from being added up in another order after the
            # first one, by which a resumed run would differ.
            find_unused_parameters=True,
        )

    def predict(images: Tensor, stages: Sequence[str]) -> Prediction:
        return Prediction(*parallel(images, stages))

    return predict


class _Outputs(nn.Module):
    """Segmenter whose features are no part of the graph: only what is can be waited for."""

    def __init__(self, segmenter: Segmenter) -> None:
        super().__init__()
        self.segmenter = segmenter
        # torch prints a warning where it looks for unused parameters and there are none
        self.unused = nn.Parameter(torch.empty(0, device=segmenter.mean.device))

    def forward(self, images: Tensor, stages: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
        prediction = self.segmenter(images, stages)
        return prediction.logits, {name: f.detach() for name, f in prediction.features.items()}
