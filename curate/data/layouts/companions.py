"""Train ids that trainers' converters leave beside labels: ``00001_labelTrainIds.png``.

They are made from the label beside them, so they are no labels of a data set, but whoever trains
on a subset needs them there, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container

_ENDING: Final = "_labelTrainIds"
_ORIGINAL: Final = "_labelIds"


def is_companion(stem: str, labels: Container[str]) -> bool:
    """Tell whether a label, a path without suffix, was made from another one of `labels`."""
    if not stem.endswith(_ENDING):
        return False
    start = stem.removesuffix(_ENDING)
    return start in labels or f"{start}{_ORIGINAL}" in labels
