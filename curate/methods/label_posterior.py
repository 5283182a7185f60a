"""How probable it is that a given label is sound, and the weights that follow.

The probability of a cell's given label is the geometric mean of two: by the segmenter as it learns,
and by a reference segmenter that was trained on real images only, and knows no synthetic label by
heart. A wrong label, drawn at random from all labels of the data set, would be of this class as
often as the class is given; so the odds that the label is sound are the probability against that
frequency. This posterior is the pixel level; the region level is its mean over the cells of the
same label nearby, the image level its mean over the image, and all together the mean of the three.
Weights keep each class its share: of rare and hard classes every segmenter is less sure, which must
not weigh them down.

A weight by the probability of the given label is the idea of confident learning [1]_, which leaves
out what falls below a threshold; here it is soft, one a cell, and relative to its class.

References
----------
.. [1] Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
   Journal of Artificial Intelligence Research 70, 2021, doi 10.1613/jair.1.12125.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curate import distributed, records, weighting
from curate.methods import running_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

REGION_CELLS: Final = 7
"""Side of the square that the region level is the mean over, in cells."""
DECAY: Final = 0.98
"""Share of the sums of scores that a step keeps."""
MAX_CLASS_FACTOR: Final = 20.0
"""Scores of no class are raised more, relative to all cells."""
EPSILON: Final = 1e-6


class LabelPosterior(nn.Module):
    """How often each class is given, how high its cells score, and the weights.

    Parameters
    ----------
    num_classes : int
    own : float
        Exponent of the segmenter's own probability in the geometric mean, in [0, 1].
    clip : float
        Largest multiple of the mean that a weight may have.
    """

    given: Tensor
    score_sums: Tensor
    score_counts: Tensor

    def __init__(self, num_classes: int, *, own: float, clip: float) -> None:
        super().__init__()
        self.own = own
        self.running = running_weights.RunningWeights(
            min_ess=EPSILON, max_power=1.0, clip=clip, uniform=0.0
        )
        for name in ("given", "score_sums", "score_counts"):  # of the synthetic cells of each class
            self.register_buffer(name, torch.zeros(num_classes, dtype=torch.float64))

    def forward(
        self, evidence: records.Evidence, log_predictions: Tensor, is_known: Sequence[bool]
    ) -> records.LevelScores:
        """Score images.

        Parameters
        ----------
        evidence : Evidence
        log_predictions : (N, C, h, w) float
            Logarithm of the reference segmenters' probabilities.
        is_known : sequence of bool
            Images whose labels the segmenter was trained to predict as sound: by its own
            prediction of these nothing is told.

        Returns
        -------
        levels : LevelScores
            0.5 where ignored, at the pixel level.
        """
        index = self._index(evidence.label_map)[:, None]
        own = evidence.predictions.gather(1, index)[:, 0].clamp(min=EPSILON)
        theirs = log_predictions.gather(1, index)[:, 0].float().exp()
        share = own.new_tensor([0.0 if known else self.own for known in is_known])[:, None, None]
        probability = own**share * theirs ** (1 - share)
        frequency = (self.given / self.given.sum().clamp(min=1)).clamp(min=EPSILON)
        valid = evidence.label_map != records.IGNORE_INDEX
        odds = probability / frequency.to(probability)[index[:, 0]]
        pixel = torch.where(valid, odds / (1 + odds), 0.5)
        region = mean_of_same_label(pixel, evidence.label_map, REGION_CELLS)
        means = (pixel * valid).sum(dim=(1, 2)) / valid.sum(dim=(1, 2)).clamp(min=1)
        image = means[:, None, None].expand_as(pixel).contiguous()
        return records.LevelScores(image, region, pixel, (image + region + pixel) / 3)

    def count(self, label_map: Tensor) -> None:
        """Count the synthetic labels (N, h, w) of a step."""
        self.given += self._sum_by_class(label_map, torch.ones_like(label_map))

    def weigh(self, scores: Tensor, label_map: Tensor) -> tuple[Tensor, Tensor]:
        """Weigh the synthetic cells (N, h, w) of a step; see `RunningWeights.weigh`."""
        self.score_counts.mul_(DECAY).add_(
            self._sum_by_class(label_map, torch.ones_like(label_map))
        )
        self.score_sums.mul_(DECAY).add_(self._sum_by_class(label_map, scores))
        balanced = scores * self._factors().to(scores)[self._index(label_map)]
        return self.running.weigh(balanced, label_map != records.IGNORE_INDEX)

    def weight_rule(self) -> weighting.WeightRule:
        """Return the rule of the last step, and what each class is raised by."""
        factors = tuple(self._factors().tolist())
        return replace(self.running.rule(), class_factors=factors).rounded()

    def _factors(self) -> Tensor:
        """Return what scores of each class are multiplied by, (C,) float64, the largest 1."""
        overall = self.score_sums.sum() / self.score_counts.sum().clamp(min=1)
        means = self.score_sums / self.score_counts.clamp(min=EPSILON)
        known = self.score_counts * overall > 0
        factors = torch.where(known, overall / means.clamp(min=EPSILON), 1.0)
        factors = factors.clamp(max=MAX_CLASS_FACTOR)
        return factors / factors.max()

    def _sum_by_class(self, label_map: Tensor, values: Tensor) -> Tensor:
        """Sum values (N, h, w) by class over the cells of all processes, (C,) float64."""
        valid = label_map != records.IGNORE_INDEX
        sums = torch.zeros_like(self.given).scatter_add_(
            0, label_map[valid], values[valid].double()
        )
        return distributed.sum_over_ranks(sums)

    def _index(self, label_map: Tensor) -> Tensor:
        """Class of each cell, any one where it is ignored: (N, h, w) int64."""
        return label_map.clamp(max=len(self.given) - 1)


def mean_of_same_label(values: Tensor, label_map: Tensor, side: int) -> Tensor:
    """Average over the cells of a square about each cell that have its label.

    Parameters
    ----------
    values : (N, h, w) float32
    label_map : (N, h, w) int64
    side : int
        Of the square, in cells; odd.

    Returns
    -------
    means : (N, h, w) float32

    Examples
    --------
    >>> labels = torch.tensor([[[0, 0, 1, 0]]])
    >>> mean_of_same_label(torch.tensor([[[0.2, 0.4, 0.9, 0.6]]]), labels, 3)
    tensor([[[0.3000, 0.3000, 0.9000, 0.6000]]])
    """
    total, count = torch.zeros_like(values), torch.zeros_like(values)
    for index in torch.unique(label_map).tolist():
        of_class = label_map == index
        layers = torch.stack([values * of_class, of_class.to(values)], dim=1)
        near = F.avg_pool2d(layers, side, stride=1, padding=side // 2)
        total, count = (torch.where(of_class, near[:, i], x) for i, x in ((0, total), (1, count)))
    return total / count
