"""What is written down about a subset: why each image is in or out, and where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curate.selection import rank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from curate.workflows.subset_choice import Choice
    from curate.workflows.subset_settings import ExportSettings
    from curate.workflows.subset_source import SubsetSource


def manifest(source: SubsetSource, choice: Choice, rank_by: str) -> pd.DataFrame:
    """Tabulate why each image is in the subset, or is not."""
    images = source.images
    scores = source.column(rank_by)
    ranks = rank(scores)
    return pd.DataFrame(
        {
            "id": images["id"],
            "selected": choice.is_selected,
            "score": scores,
            "rank": pd.Series(ranks).astype("Int64").where(ranks > 0),
            "kept_px": choice.kept_px,
            "valid_px": images["valid_px"],
            "reason": _reasons(source, choice, scores),
            "image_path": images["image_path"],
            "label_path": images["label_path"],
        }
    )


def _reasons(source: SubsetSource, choice: Choice, scores: NDArray[np.float64]) -> list[str]:
    """Say of each image, in one word, why it is in or out."""
    reasons = []
    for row, status in enumerate(source.images["status"]):
        if choice.is_selected[row]:
            reasons.append("selected")
        elif not source.is_ok[row]:
            reasons.append(str(status))
        elif np.isnan(scores[row]):
            reasons.append("not_scored")
        else:
            reasons.append(choice.reason)
    return reasons


def provenance_record(
    source: SubsetSource, settings: ExportSettings, result: Mapping[str, Any]
) -> dict[str, Any]:
    """Say where the subset comes from."""
    return {
        "scores": str(source.scores.path),
        "dataset_root": str(source.root),
        "settings": {
            "by": settings.by,
            settings.cut.policy: settings.cut.value,
            "rank_by": settings.rank_by,
            "media": settings.media,
            "format": settings.format,
        },
        "result": dict(result),
        "provenance": source.scores.provenance,
    }
