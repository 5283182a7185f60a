"""Measures of scores and of segmentations; numpy only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

_SIDES: Final[tuple[Literal["left"], Literal["right"]]] = ("left", "right")


def auroc(scores: ArrayLike, is_positive: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a positive outranks a negative, ties half.

    Parameters
    ----------
    scores : (n,) float
        NaN rows are left out.
    is_positive : (n,) bool

    Returns
    -------
    area : float
        In [0, 1]; NaN where one of the two groups is empty.

    Notes
    -----
    Mann-Whitney: ``(sum of positive ranks - P (P + 1) / 2) / (P N)`` with mid-ranks for ties. Each
    group is sorted by itself, in its own precision, which is many times faster than ranking all.
    """
    values = np.asarray(scores).ravel()
    values = values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
    positive = np.asarray(is_positive, dtype=bool).ravel()
    known = ~np.isnan(values)
    values, positive = values[known], positive[known]
    above, below = np.sort(values[positive]), np.sort(values[~positive])
    if above.size == 0 or below.size == 0:
        return float("nan")
    lower, not_higher = (np.searchsorted(below, above, side).sum() for side in _SIDES)
    return float(lower + not_higher) / 2 / (above.size * below.size)


def mid_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank of each value, 1 .. n, equal ones sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def confusion_matrix(
    label_map: NDArray[np.integer], predicted: NDArray[np.integer], num_classes: int
) -> NDArray[np.int64]:
    """Count pixels by true class (row) and predicted class (column); ignored pixels are left out.

    Parameters
    ----------
    label_map, predicted : same shape, int
        Class indices; 255 in `label_map` is ignore.

    Returns
    -------
    confusion : (C, C) int64
    """
    valid = label_map != IGNORE_INDEX
    flat = label_map[valid].astype(np.int64) * num_classes + predicted[valid]
    counts = np.bincount(flat, minlength=num_classes * num_classes)
    return counts.reshape(num_classes, num_classes)


def class_iou(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union per class: ``tp / (tp + fp + fn)``; NaN for a class never seen.

    Parameters
    ----------
    confusion : (C, C) int64

    Returns
    -------
    iou : (C,) float64
        In [0, 1]. NaN where a class is neither in the labels nor predicted.
    """
    hits = np.diag(confusion).astype(np.float64)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    iou: NDArray[np.float64] = np.full_like(hits, np.nan)
    np.divide(hits, union, out=iou, where=union > 0)
    return iou


def mean_iou(confusion: NDArray[np.int64], classes: Sequence[int] | None = None) -> float:
    """Mean of `class_iou` over the classes that occur in the labels.

    Parameters
    ----------
    confusion : (C, C) int64
    classes : sequence of int, optional
        Average over these class indices only.

    Returns
    -------
    miou : float
        In [0, 1]; NaN where none of the classes occurs in the labels.
    """
    wanted = np.arange(len(confusion)) if classes is None else np.asarray(classes)
    wanted = wanted[confusion.sum(axis=1)[wanted] > 0]
    return float(class_iou(confusion)[wanted].mean()) if wanted.size else float("nan")
