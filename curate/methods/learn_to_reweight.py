"""Learning to reweight: synthetic cells weigh what a step along their gradient does for real ones.

The weight of a cell is the positive part of how much a small step along its gradient lowers the
mean loss of the batch's real cells [1]_: to first order the inner product of both gradients, here
those of the segmenter's last layer, in closed form. Of the paper is the weight; its mean is 1 over
the data set here, not over the batch, and the real cells are the training's own.

References
----------
.. [1] Ren, Zeng, Yang and Urtasun, "Learning to Reweight Examples for Robust Deep Learning",
   ICML 2018, arXiv 1803.09050.
"""

from __future__ import annotations

import torch
from pydantic import Field

from curate import config, distributed, records
from curate.methods import cellwise, last_layer, protocol


class LearnToReweightSettings(config.Strict):
    """``[method]`` of ``learn_to_reweight``."""

    clip: float = Field(4.0, ge=1)
    """Largest multiple of the mean that a weight may have."""

    decay: float = Field(0.95, ge=0, lt=1)
    """Share that a step keeps of the means that ratings are relative to, and scores follow from."""


class LearnToReweight(cellwise.Cellwise):
    """The real gradient, and the alignment of others with it.

    A step weighs by the real gradient of its batch; scores are by its running mean.
    """

    Settings = LearnToReweightSettings

    real_sum: torch.Tensor
    real_count: torch.Tensor
    aligned_sum: torch.Tensor
    aligned_count: torch.Tensor

    def __init__(self, settings: LearnToReweightSettings, context: protocol.MethodContext) -> None:
        super().__init__(clip=settings.clip)
        self.settings = settings
        size = (context.num_classes, context.feature_channels[last_layer.STAGES[0]] + 1)
        self.register_buffer("real_sum", torch.zeros(size))
        for name in ("real_count", "aligned_sum", "aligned_count"):
            self.register_buffer(name, torch.zeros(()))

    @classmethod
    def stages(cls, settings: LearnToReweightSettings) -> tuple[str, ...]:  # noqa: ARG003
        """Name what the last layer is given."""
        return last_layer.STAGES

    def rate(self, evidence: records.Evidence) -> torch.Tensor:
        """Rate cells by their alignment with the running mean of real gradients."""
        real = self.real_sum / self.real_count.clamp(min=last_layer.LEAST)
        return self._bound(last_layer.align(last_layer.look(evidence), real))

    def rate_synthetic(
        self, evidence: records.Evidence, synthetic: records.Evidence
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Rate the cells of a step by their alignment with its real gradient."""
        total, count = last_layer.real_gradient(evidence)
        keep = self.settings.decay
        self.real_sum.mul_(keep).add_(total)
        self.real_count.mul_(keep).add_(count)
        aligned = last_layer.align(last_layer.look(synthetic), total / count.clamp(min=1))
        valid = synthetic.label_map != records.IGNORE_INDEX
        helpful = (aligned.clamp(min=0) * valid).sum()
        sums = torch.stack([helpful, valid.sum(), ((aligned > 0) & valid).sum()])
        helpful, num_valid, num_helpful = distributed.sum_over_ranks(sums)
        self.aligned_sum.mul_(keep).add_(helpful)
        self.aligned_count.mul_(keep).add_(num_valid)
        return self._bound(aligned), {"helpful": float(num_helpful / num_valid.clamp(min=1))}

    def _bound(self, aligned: torch.Tensor) -> torch.Tensor:
        """Bring the positive part to [0, 1], 1 being `clip` times its running mean."""
        mean = self.aligned_sum / self.aligned_count.clamp(min=last_layer.LEAST)
        largest = (self.settings.clip * mean).clamp(min=last_layer.LEAST)
        return (aligned / largest).clamp(min=0, max=1)
