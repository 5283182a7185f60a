"""How probable a given label is to segmenters that can tell, and the weights that follow.

The probability of a cell's given label is the geometric mean of two: by the segmenter as it learns,
and by a reference segmenter that was trained on real images only, and knows no synthetic label by
heart. It is the pixel level; the region level is its mean over the cells of the same label nearby,
and both together are their geometric mean, whose mean over an image is the image level. Weights
keep each class its share: of rare and hard classes every segmenter is less sure, which must not
weigh them down.

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

from curate import distributed, grid, records, weighting
from curate.methods import references, running_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from curate.methods.protocol import Split

    Predict = Callable[[int, Tensor], Tensor]

REGION_CELLS: Final = 7
"""Side of the square that the region level is the mean over, in cells."""
DECAY: Final = 0.98
"""Share of the sums of scores that a step keeps."""
MAX_CLASS_FACTOR: Final = 20.0
"""Scores of no class are raised more, relative to all cells."""
EPSILON: Final = 1e-6


class LabelConfidence(nn.Module):
    """How high the cells of each class score, and the weights.

    Parameters
    ----------
    num_classes : int
    splits : dict of str to Split
        Fold of each image of the training, by key: that of the reference segmenter which did not
        see it.
    own : float
        Exponent of the segmenter's own probability in the geometric mean, in [0, 1].
    clip : float
        Largest multiple of the mean that a weight may have.
    """

    score_sums: Tensor
    score_counts: Tensor

    def __init__(
        self, num_classes: int, splits: Mapping[str, Split], *, own: float, clip: float
    ) -> None:
        super().__init__()
        self.own, self.splits = own, dict(splits)
        self.running = running_weights.RunningWeights(
            min_ess=EPSILON, max_power=1.0, clip=clip, uniform=0.0
        )
        for name in ("score_sums", "score_counts"):  # of the synthetic cells of each class
            self.register_buffer(name, torch.zeros(num_classes, dtype=torch.float64))

    def step(
        self, evidence: records.Evidence, predict: Predict, *, is_warmup: bool
    ) -> tuple[Tensor, dict[str, float]]:
        """Weigh the synthetic cells of a step; see `curate.methods.protocol.Method.step`.

        Each image is shown to one reference segmenter, that of its fold.
        """
        weights = torch.ones_like(evidence.label_map, dtype=torch.float32)
        if is_warmup:
            return weights, {}
        # by their keys: to ask the device, it would have to be waited for
        rows = [row for row, key in enumerate(evidence.keys) if not key.startswith("r")]
        synthetic = evidence.pick(rows)
        folds = [self._fold_of(key) for key in synthetic.keys]
        logs = references.predict_by_fold(predict, synthetic, folds)
        scores = self._score(synthetic, logs, [False] * len(rows)).combined
        for sums, values in ((self.score_sums, scores), (self.score_counts, weights[rows])):
            sums.mul_(DECAY).add_(sum_by_class(values, synthetic.label_map, len(sums)))
        balanced = scores * self._factors().to(scores)[self._index(synthetic.label_map)]
        valid = synthetic.label_map != records.IGNORE_INDEX
        weights[rows], ess = self.running.weigh(balanced, valid)
        return weights, {"ess": float(ess)}

    def forward(self, evidence: records.Evidence, log_predictions: Tensor) -> records.LevelScores:
        """Score images by all reference segmenters, one of the training by that of its fold alone.

        Parameters
        ----------
        evidence : Evidence
        log_predictions : (F, N, C, h, w) float
            From `curate.methods.references.References.predict_all`.
        """
        # a real image of the training is known by heart to the segmenter, and to other references
        is_known = [key.startswith("r") and key in self.splits for key in evidence.keys]
        logs = log_predictions.float().mean(dim=0)
        for row in (row for row, known in enumerate(is_known) if known):
            logs[row] = log_predictions[self._fold_of(evidence.keys[row]), row]
        return self._score(evidence, logs, is_known)

    def weight_rule(self) -> weighting.WeightRule:
        """Return the rule of the last step, and what each class is raised by."""
        factors = tuple(self._factors().tolist())
        return replace(self.running.rule(), class_factors=factors).rounded()

    def _score(
        self, evidence: records.Evidence, log_predictions: Tensor, is_known: Sequence[bool]
    ) -> records.LevelScores:
        """Score images by one prediction (N, C, h, w) each; 0 where ignored.

        The segmenter's own prediction of those that `is_known` tells nothing.
        """
        valid = evidence.label_map != records.IGNORE_INDEX
        index = self._index(evidence.label_map)[:, None]
        own = evidence.predictions.gather(1, index)[:, 0].clamp(min=EPSILON)
        theirs = log_predictions.gather(1, index)[:, 0].float().exp()
        share = own.new_tensor([0.0 if known else self.own for known in is_known])[:, None, None]
        pixel = own**share * theirs ** (1 - share) * valid
        region = mean_of_same_label(pixel, evidence.label_map, REGION_CELLS, len(self.score_sums))
        combined = (pixel * region).sqrt()
        image = grid.spread_image_means(combined, valid)
        return records.LevelScores(image, region, pixel, combined)

    def _factors(self) -> Tensor:
        """Return what scores of each class are multiplied by, (C,) float64, the largest 1."""
        overall = self.score_sums.sum() / self.score_counts.sum().clamp(min=1)
        means = self.score_sums / self.score_counts.clamp(min=EPSILON)
        known = self.score_counts * overall > 0
        factors = torch.where(known, overall / means.clamp(min=EPSILON), 1.0)
        factors = factors.clamp(max=MAX_CLASS_FACTOR)
        return factors / factors.max()

    def _fold_of(self, key: str) -> int:
        """Fold of an image; the first one of an image that took no part in the training."""
        return split.fold if (split := self.splits.get(key)) else 0

    def _index(self, label_map: Tensor) -> Tensor:
        """Class of each cell, any one where it is ignored: (N, h, w) int64."""
        return label_map.clamp(max=len(self.score_sums) - 1)


def sum_by_class(values: Tensor, label_map: Tensor, num_classes: int) -> Tensor:
    """Sum values (N, h, w) by class over the cells of all processes, (C,) float64."""
    valid = values.double() * (label_map != records.IGNORE_INDEX)
    classes = label_map.clamp(max=num_classes - 1).flatten()
    sums = torch.zeros(num_classes, dtype=torch.float64, device=values.device)
    return distributed.sum_over_ranks(sums.scatter_add_(0, classes, valid.flatten()))


def mean_of_same_label(values: Tensor, label_map: Tensor, side: int, num_classes: int) -> Tensor:
    """Average over the cells of a square about each cell that have its label.

    Parameters
    ----------
    values : (N, h, w) float32
    label_map : (N, h, w) int64
        255 = ignore: such a cell keeps its value.
    side : int
        Of the square, in cells; odd.
    num_classes : int

    Returns
    -------
    means : (N, h, w) float32

    Examples
    --------
    >>> labels = torch.tensor([[[0, 0, 1, 0]]])
    >>> mean_of_same_label(torch.tensor([[[0.2, 0.4, 0.9, 0.6]]]), labels, 3, num_classes=2)
    tensor([[[0.3000, 0.3000, 0.9000, 0.6000]]])
    """
    is_class = grid.one_hot(label_map, num_classes)  # (N, C, h, w)
    sums, counts = (
        F.avg_pool2d(layers, side, stride=1, padding=side // 2)
        .gather(1, label_map.clamp(max=num_classes - 1)[:, None])
        .squeeze(1)
        for layers in (is_class * values[:, None], is_class)
    )
    return torch.where(label_map == records.IGNORE_INDEX, values, sums / counts.clamp(min=EPSILON))
