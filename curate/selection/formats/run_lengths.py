"""Masks as COCO writes them: lengths of runs down the columns, packed into letters.

https://github.com/cocodataset/cocoapi (``common/maskApi.c``, ``rleToString``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_MAX_LETTERS = 7  # of five bits, for a signed difference of 32-bit lengths


def describe_classes(ids: NDArray[np.uint8], known: dict[int, str]) -> Iterator[dict[str, Any]]:
    """Describe the pixels of each class of an image, in rising order.

    Yields
    ------
    described : dict
        ``id``, ``area``, ``bbox`` (left, top, width, height) and ``rle`` of a class.
    """
    for index in np.unique(ids).tolist():
        if index in known:
            mask = ids == index
            yield {
                "id": index,
                "area": int(mask.sum()),
                "bbox": find_box(mask),
                "rle": {"size": list(mask.shape), "counts": pack(measure_runs(mask))},
            }


def find_box(mask: NDArray[np.bool_]) -> list[int]:
    """Return left, top, width and height of what a mask holds."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    return [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1]


def measure_runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Measure the runs of a mask down its columns, those outside of it first.

    >>> measure_runs(np.array([[False, True], [True, True]])).tolist()
    [1, 3]
    """
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], ends, [flat.size]]))
    return np.concatenate([[0], lengths]) if flat[0] else lengths


def pack(lengths: NDArray[np.int64]) -> str:
    """Write lengths as letters: from the fourth on what each exceeds the one before the last by.

    Groups of five bits follow each other, the lowest first, each as a letter from ``0`` on; the
    sixth bit says that another one follows.
    """
    rest = lengths.copy()
    rest[3:] -= lengths[1:-2]
    letters = np.zeros((len(rest), _MAX_LETTERS), np.uint8)
    is_used = np.zeros(letters.shape, np.bool_)
    goes_on = np.ones(len(rest), np.bool_)
    for place in range(_MAX_LETTERS):
        is_used[:, place] = goes_on
        low = rest & 31
        rest = rest >> 5
        goes_on = goes_on & np.where(low & 16, rest != -1, rest != 0)
        letters[:, place] = low + 32 * goes_on + 48
    return letters[is_used].tobytes().decode("ascii")
