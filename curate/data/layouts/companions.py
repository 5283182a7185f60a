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


def companion_of(label_path: str) -> str:
    """Name the train ids that may be beside a label, '' for a label that is one itself.

    >>> companion_of("labels/00001.png")
    'labels/00001_labelTrainIds.png'
    >>> companion_of("gtFine/a_gtFine_labelIds.png")
    'gtFine/a_gtFine_labelTrainIds.png'
    """
    stem, _, suffix = label_path.rpartition(".")
    if not stem or stem.endswith(_ENDING):
        return ""
    return f"{stem.removesuffix(_ORIGINAL)}{_ENDING}.{suffix}"


def is_companion(stem: str, labels: Container[str]) -> bool:
    """Tell whether a label, a path without suffix, was made from another one of `labels`."""
    if not stem.endswith(_ENDING):
        return False
    start = stem.removesuffix(_ENDING)
    return start in labels or f"{start}{_ORIGINAL}" in labels
