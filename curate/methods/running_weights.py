"""Weights of mean 1 over the data set, from a running histogram of synthetic scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from curate.distributed import sum_over_ranks
from curate.weighting import NUM_BINS, WeightRule, fit_weight_rule

DECAY = 0.95
"""Share of the histogram that is kept at a batch; with 0.99 the mean lags behind the networks."""


class RunningWeights(nn.Module):
    """Keep a decaying histogram of synthetic scores; weigh scores by the rule fitted to it.

    The histogram stands for the data set: normalising a batch by itself would cancel the image
    level wherever a batch holds one image.
    """

    histogram: Tensor

    def __init__(self, *, min_ess: float, max_power: float, clip: float, uniform: float) -> None:
        super().__init__()
        self.min_ess, self.max_power, self.clip, self.uniform = min_ess, max_power, clip, uniform
        self.register_buffer("histogram", torch.zeros(NUM_BINS, dtype=torch.float64))

    def weigh(self, scores: Tensor, synthetic: Tensor) -> tuple[Tensor, Tensor]:
        """Add a batch's valid synthetic scores to the histogram and weigh the batch.

        Parameters
        ----------
        scores : (N, h, w) float32 in [0, 1]
        synthetic : (N, h, w) bool
            Valid synthetic cells.

        Returns
        -------
        weights : (N, h, w) float32
        ess : scalar float32
            Effective sample size of the synthetic weights of the step, those of all processes,
            as a share, in (0, 1]; NaN where there is no valid synthetic cell.
        """
        self.histogram.mul_(DECAY).add_(sum_over_ranks(_count(scores, synthetic)))
        rule = self.rule()
        weights = rule(scores.detach())
        chosen = torch.where(synthetic, weights, 0.0)
        sums = torch.stack([chosen.sum(), (chosen**2).sum(), synthetic.sum().to(chosen)])
        total, squares, count = sum_over_ranks(sums)
        return weights, total**2 / (count * squares)

    def rule(self) -> WeightRule:
        """Fit the rule to the histogram; uniform while nothing has been seen."""
        mass = self.histogram.cpu().numpy()
        if mass.sum() <= 0:
            return WeightRule()
        return fit_weight_rule(
            mass,
            min_ess=self.min_ess,
            max_power=self.max_power,
            clip=self.clip,
            uniform=self.uniform,
        )


def _count(scores: Tensor, counted: Tensor) -> Tensor:
    """Count the scores of some cells in `NUM_BINS` bins, (N, h, w) to (256,) float64.

    A score between two bins counts for both in part. To round it would make a jump at 0.5, where
    every network starts, by which rounding errors change the weights. No shape depends on how many
    cells are counted: a GPU would have to be waited for.
    """
    known = torch.where(counted, scores.detach(), 0.0)
    positions = known.double().flatten() * (NUM_BINS - 1)
    below = positions.floor()
    upper = positions - below
    bins, counts = below.long(), counted.flatten().double()
    empty = positions.new_zeros(NUM_BINS + 1)
    lower = empty.scatter_add(0, bins, (1 - upper) * counts)
    # what counts for a bin above the last one is 0
    return (lower + empty.scatter_add(0, bins + 1, upper * counts))[:NUM_BINS]
