"""Gradient alignment: synthetic cells weigh how far their gradients point the way of real ones.

The score of a cell is the cosine between the gradient of its loss by the segmenter's last layer and
the running mean of the gradients of real cells of its class, brought to [0, 1]. Inner products of
gradients along the training are the influence of TracIn [1]_, on their cosine LESS selects [2]_;
here it is asked of each cell while the segmenter learns, and the weight follows from it.

References
----------
.. [1] Pruthi, Liu, Kale and Sundararajan, "Estimating Training Data Influence by Tracing Gradient
   Descent", NeurIPS 2020, arXiv 2002.08484.
.. [2] Xia, Malladi, Gururangan, Arora and Chen, "LESS: Selecting Influential Data for Targeted
   Instruction Tuning", ICML 2024, arXiv 2402.04333.
"""

from __future__ import annotations

import torch
from pydantic import Field

from curate import config, distributed, records
from curate.methods import cellwise, last_layer, protocol


class GradientAlignmentSettings(config.Strict):
    """``[method]`` of ``gradient_alignment``."""

    decay: float = Field(0.95, ge=0, lt=1)
    """Share that a step keeps of the mean gradients of real cells."""

    min_ess: float = Field(0.4, gt=0, le=1)
    """Least effective sample size of the weights; smaller is sharper."""

    max_power: float = Field(8.0, ge=0)
    """Largest power of the score that a weight is."""

    clip: float = Field(4.0, ge=1)
    """Largest multiple of the mean that a weight may have."""


class GradientAlignment(cellwise.Cellwise):
    """The mean gradient of each class's real cells."""

    Settings = GradientAlignmentSettings

    real_sums: torch.Tensor
    real_counts: torch.Tensor

    def __init__(
        self, settings: GradientAlignmentSettings, context: protocol.MethodContext
    ) -> None:
        super().__init__(clip=settings.clip, min_ess=settings.min_ess, max_power=settings.max_power)
        self.decay, size = settings.decay, context.num_classes
        num_inputs = context.feature_channels[last_layer.STAGES[0]] + 1
        self.register_buffer("real_sums", torch.zeros(size, size, num_inputs))
        self.register_buffer("real_counts", torch.zeros(size))

    @classmethod
    def stages(cls, settings: GradientAlignmentSettings) -> tuple[str, ...]:  # noqa: ARG003
        """Name what the last layer is given."""
        return last_layer.STAGES

    def rate(self, evidence: records.Evidence) -> torch.Tensor:
        """Rate cells by the cosine, 0.5 where no real cell of the class was seen."""
        means = self.real_sums / self.real_counts.clamp(min=last_layer.LEAST)[:, None, None]
        cosines = cosine_with_class(last_layer.look(evidence), evidence.label_map, means)
        return ((1 + cosines) / 2).clamp(min=0, max=1)

    def rate_synthetic(
        self, evidence: records.Evidence, synthetic: records.Evidence
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Learn from the step's real cells, then rate its synthetic ones."""
        real = evidence.pick(torch.nonzero(evidence.is_real)[:, 0].tolist())
        sums, counts = class_gradients(last_layer.look(real), real.label_map)
        self.real_sums.mul_(self.decay).add_(distributed.sum_over_ranks(sums))
        self.real_counts.mul_(self.decay).add_(distributed.sum_over_ranks(counts))
        return self.rate(synthetic), {}


def class_gradients(
    gradients: last_layer.Gradients, label_map: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum the gradients of the cells of each class, (C, C, F + 1), and count these, (C,)."""
    masks = [(label_map == index).float() for index in range(gradients.errors.shape[1])]
    sums = torch.stack([last_layer.add_up(gradients, mask) for mask in masks])
    return sums, torch.stack([mask.sum() for mask in masks])


def cosine_with_class(
    gradients: last_layer.Gradients, label_map: torch.Tensor, means: torch.Tensor
) -> torch.Tensor:
    """Cosine of each cell's gradient with that of its class, (C, C, F + 1): (N, h, w).

    0 where one of both is 0.
    """
    inner = torch.zeros_like(gradients.errors[:, 0])
    norms = means.norm(dim=(1, 2), keepdim=True).clamp(min=last_layer.LEAST)
    for index, mean in enumerate(means / norms):
        of_class = label_map == index
        if bool(of_class.any()):
            inner = torch.where(of_class, last_layer.align(gradients, mean), inner)
    return inner / last_layer.lengths(gradients).clamp(min=last_layer.LEAST)
