"""Hardness: synthetic pixels whose loss is too high for their class are left out.

A reference segmenter that was trained on real images only, before the joint training, gives the
loss of each synthetic cell. A cell counts if that is at most a multiple of the mean loss of its
class in the synthetic data [1]_. Of the paper it is the filter of pixels; its segmenter is
that of all real images, here it may be out of fold, and its sampling of hard images is left away.

References
----------
.. [1] Yang, Xu, Kang, Shi and Zhao, "FreeMask: Synthetic Images with Dense Annotations Make
   Stronger Segmentation Models", NeurIPS 2023, arXiv 2310.15160.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from pydantic import Field

from curate.methods import cellwise, label_confidence, last_layer, out_of_fold, protocol

if TYPE_CHECKING:
    from curate import records


class HardnessSettings(out_of_fold.OutOfFoldSettings):
    """``[method]`` of ``hardness``."""

    tolerance: float = Field(1.25, gt=0)
    """Largest multiple of its class's mean loss that a cell may have."""


class Hardness(out_of_fold.OutOfFold):
    """Reference segmenters, and the mean loss of each class by them."""

    Settings = HardnessSettings

    loss_sums: torch.Tensor
    loss_counts: torch.Tensor

    def __init__(self, settings: HardnessSettings, context: protocol.MethodContext) -> None:
        super().__init__(settings, context)
        self.tolerance = settings.tolerance
        for name in ("loss_sums", "loss_counts"):  # of the synthetic cells of each class so far
            self.register_buffer(name, torch.zeros(context.num_classes, dtype=torch.float64))

    def rate(self, evidence: records.Evidence) -> torch.Tensor:
        """Tell which cells are kept: 1, or 0."""
        return (self._ease(evidence.label_map, self.predict(evidence)) >= 0.5).float()

    def rate_synthetic(
        self,
        evidence: records.Evidence,  # noqa: ARG002
        synthetic: records.Evidence,
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Add a step's losses to the means of their classes, then tell which cells are kept."""
        predictions, labels = self.predict_synthetic(synthetic), synthetic.label_map
        found = last_layer.losses(predictions, labels)
        for sums, values in (
            (self.loss_sums, found),
            (self.loss_counts, torch.ones_like(found)),
        ):
            sums.add_(label_confidence.sum_by_class(values, labels, len(sums)))
        return (self._ease(labels, predictions) >= 0.5).float(), {}

    @torch.no_grad()
    def scores(self, evidence: records.Evidence) -> records.LevelScores:
        """Score images by how easy their cells are; weights follow from which of them are kept."""
        easy = self._ease(evidence.label_map, self.predict(evidence))
        kept = (easy >= 0.5).float()
        levels = cellwise.pool(easy, evidence)
        return replace(levels, worth=cellwise.pool(kept, evidence))

    def _ease(self, label_map: torch.Tensor, predictions: torch.Tensor) -> torch.Tensor:
        """Set the losses against the largest that are kept: 1 for none, 0.5 for just as much."""
        overall = self.loss_sums.sum() / self.loss_counts.sum().clamp(min=1)
        means = torch.where(
            self.loss_counts > 0, self.loss_sums / self.loss_counts.clamp(min=1), overall
        )
        largest = (self.tolerance * means).to(predictions).clamp(min=last_layer.LEAST)
        limits = largest[label_map.clamp(max=len(means) - 1)]
        return limits / (limits + last_layer.losses(predictions, label_map))
