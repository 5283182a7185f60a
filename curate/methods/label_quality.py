"""Label quality: synthetic pixels weigh what confident learning thinks of their labels.

Reference segmenters are trained on real images only, before the joint training; the package
cleanlab rates each given label by their out-of-fold predictions [1]_ [2]_.

References
----------
.. [1] Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
   Journal of Artificial Intelligence Research 70, 2021, doi 10.1613/jair.1.12125.
.. [2] Lad and Mueller, "Estimating label quality and errors in semantic segmentation data via any
   model", 2023, arXiv 2307.05080.
"""

from __future__ import annotations

import importlib
from typing import Any, Literal

import torch

from curate import errors, records
from curate.methods import out_of_fold, protocol


class LabelQualitySettings(out_of_fold.OutOfFoldSettings):
    """``[method]`` of ``label_quality``."""

    quality: Literal["self_confidence", "normalized_margin"] = "self_confidence"
    """Probability of the given label, or its margin over that of the best other one."""


class LabelQuality(out_of_fold.OutOfFold):
    """Reference segmenters, and what cleanlab makes of their predictions."""

    Settings = LabelQualitySettings

    def __init__(self, settings: LabelQualitySettings, context: protocol.MethodContext) -> None:
        super().__init__(settings, context)
        self.quality, self._score_labels = settings.quality, import_rank().get_label_quality_scores

    @classmethod
    def check(cls, settings: LabelQualitySettings) -> None:  # noqa: ARG003
        """Make sure of cleanlab."""
        import_rank()

    def rate(self, evidence: records.Evidence) -> torch.Tensor:
        """Rate the given labels by the references' predictions."""
        return self._rate_labels(evidence.label_map, self.predict(evidence))

    def rate_synthetic(
        self,
        evidence: records.Evidence,  # noqa: ARG002
        synthetic: records.Evidence,
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Rate the labels of the batch; nothing is learned."""
        return self._rate_labels(synthetic.label_map, self.predict_synthetic(synthetic)), {}

    def _rate_labels(self, label_map: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
        """Rate (N, h, w) labels by (N, C, h, w) probabilities; 0.5 where ignored."""
        valid = label_map != records.IGNORE_INDEX
        ratings = torch.full_like(probabilities[:, 0], 0.5)
        if bool(valid.any()):
            rated = self._score_labels(
                label_map[valid].cpu().numpy(),
                probabilities.permute(0, 2, 3, 1)[valid].clamp(max=1).cpu().numpy(),
                method=self.quality,
            )
            ratings[valid] = torch.from_numpy(rated).to(ratings)
        return ratings


def import_rank() -> Any:  # noqa: ANN401 -- the package has no types
    """Import cleanlab's ratings, or say how to get them."""
    try:
        return importlib.import_module("cleanlab.rank")
    except ImportError as error:
        msg = (
            f"method = 'label_quality' needs cleanlab, which cannot be imported ({error}). "
            "Run: pip install 'curate-seg[cleanlab]'"
        )
        raise errors.ConfigError(msg) from error
