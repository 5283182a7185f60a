"""What is written down about a subset: why each image is in or out, and where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.scores.arrow import text_scalar, to_arrow
from curate.selection.cuts import rank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from curate.selection.choose import Choice
    from curate.selection.settings import ExportSettings
    from curate.selection.source import SubsetSource


def manifest(source: SubsetSource, choice: Choice) -> pa.Table:
    """Tabulate why each image is in the subset, or is not."""
    scores = source.image_scores
    ranks = rank(scores)
    return pa.table(
        {
            "id": source.texts("id"),
            "selected": to_arrow(choice.is_selected),
            "score": to_arrow(scores, is_null=np.isnan(scores)),
            "rank": to_arrow(ranks, is_null=ranks == 0),
            "rank_by": pa.repeat(text_scalar(source.rank_by), source.num_images),
            "kept_px": to_arrow(choice.kept_px),
            "valid_px": to_arrow(source.scores.image_column("valid_px")),
            "reason": _reasons(source, choice, scores),
            "image_path": source.texts("image_path"),
            "label_path": source.texts("label_path"),
        }
    )


def _reasons(source: SubsetSource, choice: Choice, scores: NDArray[np.float64]) -> pa.Array:
    """Say of each image, in one word, why it is in or out."""
    has_no_score = to_arrow(np.isnan(scores))
    why_not = pc.if_else(has_no_score, text_scalar("not_scored"), text_scalar(choice.reason))
    reasons = pc.if_else(to_arrow(source.is_ok), why_not, source.texts("status"))
    return pc.if_else(to_arrow(choice.is_selected), text_scalar("selected"), reasons)


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
            "per_class": settings.per_class,
            "rank_by": settings.rank_by,
            "media": settings.media,
            "format": settings.format,
        },
        "result": dict(result),
        "provenance": source.scores.provenance,
    }
