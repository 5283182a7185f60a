"""What the columns of a score file must not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from curate.errors import StoreError
from curate.scores.schema import is_score

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

_ROUNDING: Final = 1e-6
"""How far a mean of scores may be outside [0, 1]."""

_COUNTS: Final = ("valid_px", "area_px", "region", "class_id", "top", "left")


def check_image_column(
    name: str, values: NDArray[Any], is_ok: NDArray[np.bool_], *, where: str
) -> None:
    """Refuse a column of the image table that no scoring can have written.

    Of an image that was scored, height, width and ``score`` must be there, and all scores lie in
    [0, 1]; whatever stands beside an image that was not scored is never used.

    Raises
    ------
    StoreError
        Naming column and row.
    """
    if name in {"height", "width"}:
        _refuse_where(values < 0, name, values, "a negative size", where)
        _refuse_where(is_ok & (values == 0), name, values, "without a pixel, but scored", where)
    if name in {"valid_px", "class_px"}:
        _refuse_where(values < 0, name, values, "negative", where)
    if name == "score":
        _refuse_where(is_ok & np.isnan(values), name, values, "no score, but status ok", where)
    if is_score(name):
        rows = is_ok[:, None] if values.ndim == 2 else is_ok
        _refuse_where(rows & _is_outside(values), name, values, "not in [0, 1]", where)


def check_region_column(name: str, values: NDArray[Any], *, where: str) -> None:
    """Refuse a column of the region table that no scoring can have written.

    Raises
    ------
    StoreError
        Naming column and row.
    """
    if name in _COUNTS:
        _refuse_where(values < 0, name, values, "negative", where)
    if is_score(name):
        _refuse_where(_is_outside(values), name, values, "not in [0, 1]", where)


def check_region_images(image: NDArray[np.int64], *, num_images: int, where: str) -> None:
    """Refuse a region table that names unknown images or is not sorted by them.

    Raises
    ------
    StoreError
        If it does.
    """
    if len(image) and (image[0] < 0 or image[-1] >= num_images or (image[1:] < image[:-1]).any()):
        msg = f"{where}: the region table names unknown images or is not sorted. Score again."
        raise StoreError(msg)


def _is_outside(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which scores are outside [0, 1]; NaN is not."""
    return np.asarray((scores < -_ROUNDING) | (scores > 1 + _ROUNDING))


def _refuse_where(
    is_wrong: NDArray[np.bool_], name: str, values: NDArray[Any], what: str, where: str
) -> None:
    """Raise the error if anything is wrong."""
    if is_wrong.any():
        spot = np.unravel_index(int(is_wrong.argmax()), is_wrong.shape)
        msg = (
            f"{where}: column '{name}' has {values[spot]} in row {spot[0]}, which is {what}. The "
            "file is damaged: score the data set again."
        )
        raise StoreError(msg)
