"""Confidence: how probable the given label is, to segmenters that did not learn it by heart.

A few *reference segmenters* are trained on real images only, before the joint training, and the
segmenter itself predicts as it learns. Both probabilities of a cell's given label make one, their
geometric mean. A wrong label, drawn at random from all labels of the data set, would be of this
class as often as the class is given; so the odds that the label is sound are the probability
against that frequency. This posterior is the pixel level; the region level is its mean over the
cells of the same label nearby, the image level its mean over the image, and the score the mean of
the three. Weights keep each class its share: of rare and hard classes every segmenter is less sure,
which must not weigh them down.

A weight by the probability of the given label is the idea of confident learning [1]_, which leaves
out what falls below a threshold; here it is soft, one a cell, and relative to its class.

References
----------
.. [1] Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
   Journal of Artificial Intelligence Research 70, 2021, doi 10.1613/jair.1.12125.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from curate import distributed, records, seeding
from curate.config import Strict
from curate.methods import protocol, references, running_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate import models, weighting

REGION_CELLS: Final = 7
"""Side of the square that the region level is the mean over, in cells."""
DECAY: Final = 0.98
"""Share of the sums of scores that a step keeps."""
MAX_CLASS_FACTOR: Final = 20.0
"""Scores of no class are raised more, relative to all cells."""
EPSILON: Final = 1e-6


class ConfidenceSettings(Strict):
    """``[method]`` of ``confidence``."""

    folds: int = Field(2, ge=1, le=10)
    """Reference segmenters. Each learns from the real images of the other folds, and scores those
    of its own; with 1 it learns from all of them.
    """

    reference_share: float = Field(0.33, gt=0, le=1)
    """Steps of all of them together, as a share of those of the joint training."""

    reference_steps: int = Field(250, ge=1)
    """Most steps that one of them is trained for."""

    reference_learning_rate: float = Field(3e-3, gt=0)
    """Peak of their schedule: a linear warm-up, then a cosine."""

    own: float = Field(0.5, ge=0, le=1)
    """Exponent of the segmenter's own probability in the geometric mean; the rest is theirs."""

    clip: float = Field(4.0, ge=1)
    """Largest multiple of the mean that a weight may have."""


class Confidence(protocol.Method):
    """Reference segmenters; how often each class is given, and how high it scores."""

    Settings = ConfidenceSettings
    prepares = True

    num_learned: Tensor
    given: Tensor
    score_sums: Tensor
    score_counts: Tensor

    def __init__(self, settings: ConfidenceSettings, context: protocol.MethodContext) -> None:
        super().__init__()
        self.settings, self.splits = settings, dict(context.splits)
        self.references = nn.ModuleList(context.build_segmenter() for _ in range(settings.folds))
        self.running = running_weights.RunningWeights(
            min_ess=EPSILON, max_power=1.0, clip=settings.clip, uniform=0.0
        )
        self.register_buffer("num_learned", torch.zeros((), dtype=torch.int64))
        for name in ("given", "score_sums", "score_counts"):  # of the synthetic cells of each class
            self.register_buffer(name, torch.zeros(context.num_classes, dtype=torch.float64))

    @classmethod
    def build(cls, settings: ConfidenceSettings, context: protocol.MethodContext) -> Confidence:
        """Make the untrained reference segmenters."""
        return cls(settings, context)

    @classmethod
    def num_folds(cls, settings: ConfidenceSettings) -> int:
        """One a reference segmenter."""
        return settings.folds

    def train(self, mode: bool = True) -> Confidence:
        """Set the mode; reference segmenters, once trained, only predict."""
        super().train(mode)
        self.references.eval()
        return self

    def prepare(self, preparation: protocol.Preparation) -> Iterator[protocol.Progress]:
        """Train one reference segmenter after the other."""
        settings, total = self.settings, self.settings.folds
        each = int(settings.reference_share * preparation.num_steps / total)
        for fold in range(int(self.num_learned), total):
            own = {key for key, split in self.splits.items() if split.fold == fold and total > 1}
            training = references.train_reference(
                self._reference(fold),
                preparation,
                frozenset(own),
                steps=min(max(1, each), settings.reference_steps),
                learning_rate=settings.reference_learning_rate,
                seed=seeding.stable_seed(preparation.seed, "reference", fold),
                device=self.num_learned.device,
            )
            for _ in training:
                yield protocol.Progress(fold, total, is_safe=False)
            self.num_learned.fill_(fold + 1)
            yield protocol.Progress(fold + 1, total, is_safe=True)

    @torch.no_grad()
    def step(
        self, evidence: records.Evidence, *, is_warmup: bool
    ) -> tuple[Tensor, dict[str, float]]:
        """Weigh the batch's synthetic cells by their scores, relative to those of their class."""
        weights = protocol.unit_weights(evidence)
        rows = torch.nonzero(~evidence.is_real)[:, 0].tolist()
        synthetic = evidence.pick(rows)
        valid = synthetic.label_map != records.IGNORE_INDEX
        classes = synthetic.label_map[valid]
        counts = self._sum_by_class(classes, torch.ones_like(classes, dtype=torch.float64))
        self.given += counts
        if is_warmup:
            return weights, {}
        scores = self.scores(synthetic).combined
        self.score_counts.mul_(DECAY).add_(counts)
        self.score_sums.mul_(DECAY).add_(self._sum_by_class(classes, scores[valid].double()))
        balanced = scores * self._factors().to(scores)[self._index(synthetic)]
        weights[rows], ess = self.running.weigh(balanced, valid)
        return weights, {"ess": float(ess)}

    @torch.no_grad()
    def scores(self, evidence: records.Evidence) -> records.LevelScores:
        """Score images; a real one that was trained on only by the reference of its own fold."""
        valid = evidence.label_map != records.IGNORE_INDEX
        pixel = self._posterior(evidence)
        region = mean_of_same_label(pixel, evidence.label_map, REGION_CELLS)
        count = valid.sum(dim=(1, 2)).clamp(min=1)
        means = (pixel * valid).sum(dim=(1, 2)) / count
        image = means[:, None, None].expand_as(pixel).contiguous()
        return records.LevelScores(image, region, pixel, (image + region + pixel) / 3)

    def weight_rule(self) -> weighting.WeightRule:
        """Return the rule of the last step, and what each class is raised by."""
        factors = tuple(self._factors().tolist())
        return replace(self.running.rule(), class_factors=factors).rounded()

    def _posterior(self, evidence: records.Evidence) -> Tensor:
        """Posterior that each cell's label is sound, (N, h, w) float32; 0.5 where ignored."""
        index = self._index(evidence)
        own = evidence.predictions.gather(1, index[:, None])[:, 0].clamp(min=EPSILON)
        # a real image that it learned from is known to the segmenter by heart
        is_known = [key.startswith("r") and key in self.splits for key in evidence.keys]
        share = own.new_tensor([0.0 if known else self.settings.own for known in is_known])
        theirs = self._reference_probabilities(evidence, index)
        probability = own ** share[:, None, None] * theirs ** (1 - share[:, None, None])
        posterior = probability / (probability + self._frequencies().to(probability)[index])
        return torch.where(evidence.label_map == records.IGNORE_INDEX, 0.5, posterior)

    def _reference_probabilities(self, evidence: records.Evidence, index: Tensor) -> Tensor:
        """Probability of each label by the reference of the image's fold, (N, h, w) float32.

        An image that took no part in the training gets the geometric mean of all of them.
        """
        folds = [split.fold if (split := self.splits.get(key)) else None for key in evidence.keys]
        logs = torch.zeros_like(evidence.predictions[:, 0])
        for fold in range(self.settings.folds):
            rows = [row for row, own in enumerate(folds) if own is None or own == fold]
            if rows:
                found = references.reference_log_probabilities(
                    self._reference(fold), evidence.images[rows]
                )
                logs[rows] += found.float().gather(1, index[rows][:, None])[:, 0]
        unknown = logs.new_tensor([own is None for own in folds])
        return (logs / (1 + (self.settings.folds - 1) * unknown[:, None, None])).exp()

    def _frequencies(self) -> Tensor:
        """Share of the synthetic cells that each class is given to, (C,) float64."""
        return (self.given / self.given.sum().clamp(min=1)).clamp(min=EPSILON)

    def _factors(self) -> Tensor:
        """Return what scores of each class are multiplied by, (C,) float64, the largest 1."""
        overall = self.score_sums.sum() / self.score_counts.sum().clamp(min=1)
        means = self.score_sums / self.score_counts.clamp(min=EPSILON)
        known = self.score_counts * overall > 0
        factors = torch.where(known, overall / means.clamp(min=EPSILON), 1.0)
        factors = factors.clamp(max=MAX_CLASS_FACTOR)
        return factors / factors.max()

    def _sum_by_class(self, classes: Tensor, values: Tensor) -> Tensor:
        """Sum values (n,) float64 by class over the cells of all processes, (C,) float64."""
        sums = torch.zeros_like(self.given).scatter_add_(0, classes, values)
        return distributed.sum_over_ranks(sums)

    def _index(self, evidence: records.Evidence) -> Tensor:
        """Class of each cell, any one where it is ignored: (N, h, w) int64."""
        return evidence.label_map.clamp(max=len(self.given) - 1)

    def _reference(self, fold: int) -> models.Segmenter:
        """Return the reference segmenter of a fold."""
        return cast("models.Segmenter", self.references[fold])


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
