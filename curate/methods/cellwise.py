"""Methods that rate each cell by itself: weights are proportional to the ratings.

A rating is the pixel level, and what weights follow from; the region level is its mean over the
cells of the same label nearby, the image level its mean over the image.
"""

from __future__ import annotations

from abc import abstractmethod

import torch

from curate import grid, records, weighting
from curate.methods import label_confidence, protocol, running_weights

EPSILON = 1e-6


class Cellwise(protocol.Method):
    """Weights that are ratings, divided by their running mean over the synthetic data.

    Parameters
    ----------
    clip : float
        Largest multiple of the mean that a weight may have.
    min_ess, max_power : float
        A weight is the sharpest power of the rating within these; see `fit_weight_rule`.
    """

    def __init__(self, *, clip: float, min_ess: float = EPSILON, max_power: float = 1.0) -> None:
        super().__init__()
        self.running = running_weights.RunningWeights(
            min_ess=min_ess, max_power=max_power, clip=clip, uniform=0.0
        )

    @abstractmethod
    def rate(self, evidence: records.Evidence) -> torch.Tensor:
        """Rate the cells of any images, (N, h, w) float32 in [0, 1]; what is ignored, at will."""

    def rate_synthetic(
        self,
        evidence: records.Evidence,  # noqa: ARG002
        synthetic: records.Evidence,
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Learn from a step, after the warm-up, and rate the cells of its `synthetic` images.

        Returns
        -------
        ratings : (M, h, w) float32
        metrics : dict of str to float
        """
        return self.rate(synthetic), {}

    @torch.no_grad()
    def step(
        self, evidence: records.Evidence, *, is_warmup: bool
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Weigh the batch's synthetic cells."""
        weights = protocol.unit_weights(evidence)
        if is_warmup:
            return weights, {}
        rows = torch.nonzero(~evidence.is_real)[:, 0].tolist()
        synthetic = evidence.pick(rows)
        ratings, metrics = self.rate_synthetic(evidence, synthetic)
        valid = synthetic.label_map != records.IGNORE_INDEX
        weights[rows], ess = self.running.weigh(ratings, valid)
        return weights, metrics | {"ess": float(ess)}

    @torch.no_grad()
    def scores(self, evidence: records.Evidence) -> records.LevelScores:
        """Score images by their ratings, 0.5 where a cell is ignored."""
        return pool(self.rate(evidence), evidence)

    def weight_rule(self) -> weighting.WeightRule:
        """Return the rule of the last step."""
        return self.running.rule().rounded()


def pool(ratings: torch.Tensor, evidence: records.Evidence) -> records.LevelScores:
    """Average ratings (N, h, w) over regions and images, 0.5 where a cell is ignored."""
    valid = evidence.label_map != records.IGNORE_INDEX
    pixel = torch.where(valid, ratings, 0.5)
    side, num_classes = label_confidence.REGION_CELLS, evidence.predictions.shape[1]
    region = label_confidence.mean_of_same_label(pixel, evidence.label_map, side, num_classes)
    image = grid.spread_image_means(pixel, valid)
    return records.LevelScores(image=image, region=region, pixel=pixel, combined=pixel)
