"""Methods that rate cells by reference segmenters that learned from other real images only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field

from curate.methods import cellwise, protocol, references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate import records


class OutOfFoldSettings(references.ReferenceSettings):
    """What can be set of every such method."""

    clip: float = Field(4.0, ge=1)
    """Largest multiple of the mean that a weight may have."""


class OutOfFold(cellwise.Cellwise):
    """Reference segmenters, trained before the joint training."""

    prepares = True

    num_learned: torch.Tensor

    def __init__(self, settings: OutOfFoldSettings, context: protocol.MethodContext) -> None:
        super().__init__(clip=settings.clip)
        self.settings, self.splits = settings, dict(context.splits)
        made = [context.build_segmenter() for _ in range(settings.folds)]
        self.references = references.References(made)
        self.register_buffer("num_learned", torch.zeros((), dtype=torch.int64))

    @classmethod
    def num_folds(cls, settings: Any) -> int:  # noqa: ANN401
        """One a reference segmenter."""
        return int(settings.folds)

    @classmethod
    def steps_before(cls, settings: Any, num_steps: int) -> int:  # noqa: ANN401
        """Count the steps of a reference segmenter."""
        return int(settings.steps_of_each(num_steps))

    def prepare(self, preparation: protocol.Preparation) -> Iterator[protocol.Progress]:
        """Train one reference segmenter after the other."""
        return self.references.learn(preparation, self.splits, self.settings, self.num_learned)

    def predict(self, evidence: records.Evidence) -> torch.Tensor:
        """Predict images as references do, (N, C, h, w) float32 probabilities.

        One of the training is predicted by the reference of its fold alone, any other by the mean
        of all.
        """
        splits = [self.splits.get(key) for key in evidence.keys]
        each = self.references.predict_all(evidence.images).float().exp()
        found = each.mean(dim=0)
        for row, split in enumerate(splits):
            if split:
                found[row] = each[split.fold, row]
        return found

    def predict_synthetic(self, synthetic: records.Evidence) -> torch.Tensor:
        """Predict images of the training as `predict` does; each is shown to one reference."""
        folds = [self.splits[key].fold if key in self.splits else 0 for key in synthetic.keys]
        logs = references.predict_by_fold(self.references.predict, synthetic, folds)
        return logs.exp()
