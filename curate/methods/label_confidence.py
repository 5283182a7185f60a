"""How probable it is that a given label is right, and the weights that follow.

Evidence is what a reference segmenter, trained on real images only, thinks of the given label: its
log-odds, averaged over the cells of the same label nearby. What it means is learned from real
images that the reference did not see, and how many labels of each class are right is found in the
synthetic set: see `curate.methods.label_evidence`. So a class whose labels are mostly wrong loses
its weight, and where all labels are right, all weigh the same, however hard they are.

To the posterior comes the segmenter's own probability as it learns, relative to its class: classes
keep the share of the weight that their posteriors give them, for of rare and hard ones every
segmenter is less sure.

To weigh labels by how probable they are is the idea of confident learning [1]_, which estimates for
each class how many are wrong, and leaves out so many; here it is soft, one weight a cell.

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
from curate.methods import label_evidence, references, running_weights

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
    """What evidence means, how many labels of each class are right, and the weights.

    Parameters
    ----------
    num_classes : int
    splits : dict of str to Split
        Fold of each image of the training, by key: that of the reference segmenter which did not
        see it.
    own : float
        Exponent of the segmenter's own probability, in [0, 1].
    clip : float
        Largest multiple of the mean that a weight may have.
    """

    slope: Tensor
    offsets: Tensor
    shares: Tensor
    score_sums: Tensor
    posterior_sums: Tensor

    def __init__(
        self, num_classes: int, splits: Mapping[str, Split], *, own: float, clip: float
    ) -> None:
        super().__init__()
        self.own, self.splits = own, dict(splits)
        self.running = running_weights.RunningWeights(
            min_ess=EPSILON, max_power=1.0, clip=clip, uniform=0.0
        )
        # before `calibrate`, the posterior is what a reference says
        self.register_buffer("slope", torch.ones(()))
        self.register_buffer("offsets", torch.zeros(num_classes))
        self.register_buffer("shares", torch.full((num_classes,), 0.5))
        for name in ("score_sums", "posterior_sums"):  # of the synthetic cells of each class
            self.register_buffer(name, torch.zeros(num_classes, dtype=torch.float64))

    @torch.no_grad()
    def calibrate(self, log_predictions: Tensor, label_map: Tensor, is_real: Tensor) -> None:
        """Learn from images of both domains, each predicted by a reference that did not see it.

        Parameters
        ----------
        log_predictions : (N, C, h, w) float
        label_map : (N, h, w) int
            255 = ignore.
        is_real : (N,) bool
        """
        num_classes, is_real = len(self.offsets), is_real.cpu()
        logs, labels = log_predictions.cpu().float(), label_map.cpu().long()
        real, synthetic = labels[is_real], labels[~is_real]
        of_classes = [self._nearby(logs[is_real, c], real) for c in range(num_classes)]
        is_valid = real != records.IGNORE_INDEX
        cells = torch.stack(of_classes, dim=-1)[is_valid]
        slope, offsets = label_evidence.fit_evidence(cells, real[is_valid])
        self.slope.fill_(slope)
        self.offsets.copy_(offsets)
        given = logs[~is_real].gather(1, self._index(synthetic)[:, None])[:, 0]
        is_valid = synthetic != records.IGNORE_INDEX
        odds, classes = self._nearby(given, synthetic)[is_valid], synthetic[is_valid]
        evidence = slope * odds + offsets.to(odds)[classes]
        self.shares.copy_(label_evidence.find_shares(evidence, classes, num_classes))

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
        found = self._score(synthetic, logs, [False] * len(rows))
        for sums, level in ((self.score_sums, "combined"), (self.posterior_sums, "region")):
            values = getattr(found, level)
            sums.mul_(DECAY).add_(sum_by_class(values, synthetic.label_map, len(sums)))
        factors = self._factors().to(found.combined)
        balanced = found.combined * factors[self._index(synthetic.label_map)]
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
        label_map = evidence.label_map
        valid = label_map != records.IGNORE_INDEX
        index = self._index(label_map)
        given = log_predictions.gather(1, index[:, None])[:, 0].float()
        prior = (self.offsets + self.shares.logit())[index]
        pixel = (self.slope * _log_odds(given) + prior).sigmoid() * valid
        region = (self.slope * self._nearby(given, label_map) + prior).sigmoid() * valid
        own = evidence.predictions.gather(1, index[:, None])[:, 0].clamp(min=EPSILON)
        share = own.new_tensor([0.0 if known else self.own for known in is_known])[:, None, None]
        own = own**share
        image = grid.spread_image_means(region * own, valid)
        return records.LevelScores(image, region, pixel * own, region * own)

    def _factors(self) -> Tensor:
        """Return what scores of each class are multiplied by, (C,) float64, the largest 1.

        With them a class has the share of the weight that its posteriors have of all.
        """
        overall = self.score_sums.sum() / self.posterior_sums.sum().clamp(min=EPSILON)
        means = self.score_sums / self.posterior_sums.clamp(min=EPSILON)
        factors = torch.where(self.score_sums > 0, overall / means.clamp(min=EPSILON), 1.0)
        factors = factors.clamp(max=MAX_CLASS_FACTOR)
        return factors / factors.max()

    def _nearby(self, log_probabilities: Tensor, label_map: Tensor) -> Tensor:
        """Average the log-odds of a label (N, h, w) over the cells of the same label nearby."""
        odds = _log_odds(log_probabilities)
        return mean_of_same_label(odds, label_map, REGION_CELLS, len(self.offsets))

    def _fold_of(self, key: str) -> int:
        """Fold of an image; the first one of an image that took no part in the training."""
        return split.fold if (split := self.splits.get(key)) else 0

    def _index(self, label_map: Tensor) -> Tensor:
        """Class of each cell, any one where it is ignored: (N, h, w) int64."""
        return label_map.clamp(max=len(self.offsets) - 1)


def _log_odds(log_probabilities: Tensor) -> Tensor:
    """Turn logarithms of probabilities into bounded log-odds."""
    return log_probabilities.float().exp().logit(eps=1e-5)


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
