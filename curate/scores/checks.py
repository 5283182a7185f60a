"""What a score file must not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow.compute as pc

from curate.errors import StoreError
from curate.scores.schema import Column, is_score, is_weight

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

_ROUNDING: Final = 1e-6
"""How far a mean of scores may be outside [0, 1]."""

_FREE_BYTES: Final = 2**26
_MAX_RATIO: Final = 64
"""Tables of scores are packed to a tenth; what claims far more is made to fill memory."""

_COUNTS: Final = ("valid_px", "area_px", "region", "class_id", "class_px", "top", "left")


def check_image_column(
    name: str, values: NDArray[Any], is_ok: NDArray[np.bool_], *, where: str
) -> None:
    """Refuse a column of the image table that no scoring can have written.

    Of an image that was scored, height, width, ``score`` and ``weight`` must be there, scores lie
    in [0, 1] and weights from 0; whatever stands beside an image that was not scored is never used.

    Raises
    ------
    StoreError
        Naming column and row.
    """
    if name in {"height", "width"}:
        _refuse_where(values < 0, name, values, "a negative size", where)
        _refuse_where(is_ok & (values == 0), name, values, "without a pixel, but scored", where)
    if name == "map_row":
        _refuse_where(values < -1, name, values, "no row", where)
    if name in {"score", "weight"}:
        _refuse_where(is_ok & np.isnan(values), name, values, f"no {name}, but status ok", where)
    rows = is_ok[:, None] if values.ndim == 2 else is_ok
    _check_values(name, values, rows, where=where)


def check_region_column(name: str, values: NDArray[Any], *, where: str) -> None:
    """Refuse a column of the region table that no scoring can have written.

    Raises
    ------
    StoreError
        Naming column and row.
    """
    if is_score(name) or is_weight(name) or name in _COUNTS:
        _check_values(name, values, np.True_, where=where)


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


def count_rows(
    shapes: Mapping[str, tuple[int, ...]], schema: Mapping[str, Column], *, where: str
) -> int:
    """Count the rows of a table whose columns have these shapes.

    Raises
    ------
    StoreError
        Naming the first column whose shape contradicts the others.
    """
    count = (*next(iter(shapes.values())), 0)[0]
    for name, column in schema.items():
        if len(shapes[name]) != 1 + column.per_class or shapes[name][0] != count:
            msg = (
                f"{where}: column '{name}' has shape {shapes[name]}, but {count} rows of "
                f"{'one value a class' if column.per_class else 'one value'} are needed. "
                "The file is damaged: score the data set again."
            )
            raise StoreError(msg)
    return count


def check_claim(claimed: int, size: int, *, where: object) -> None:
    """Refuse a table that would take much more memory than its file can have been made of.

    Parameters
    ----------
    claimed, size : int
        Bytes of all columns in memory, and of the file.

    Raises
    ------
    StoreError
        If it does.
    """
    if claimed > _FREE_BYTES + _MAX_RATIO * size:
        msg = (
            f"{where} claims {claimed:,} bytes of tables, which a file of {size:,} bytes cannot "
            "hold. Score the data set again."
        )
        raise StoreError(msg)


def check_ids(ids: Iterable[str]) -> None:
    """Check, before any work is done, that all ids can be stored in a score file.

    Raises
    ------
    StoreError
        Naming the first id that is empty, has an empty, ``.`` or ``..`` part, holds NUL, or is no
        UTF-8.
    """
    for image_id in ids:
        check_text(image_id, "image id")
        if any(part in {"", ".", ".."} for part in image_id.split("/")):
            _refuse_text("image id", image_id, "has an empty, '.' or '..' part")


def check_id_column(ids: pa.LargeStringArray) -> None:
    """Do what `check_ids` does for a whole column at once."""
    suspects = ids.filter(pc.match_substring_regex(ids, r"(^|/)\.{0,2}(/|$)|\x00"))
    check_ids(suspects[:1].to_pylist())


def check_text(text: str, what: str) -> None:
    """Refuse a string that HDF5 or Parquet would cut off or could not hold."""
    if "\0" in text:
        _refuse_text(what, text, "holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse_text(what, text, "is not valid UTF-8")


def _check_values(
    name: str, values: NDArray[Any], rows: NDArray[np.bool_] | np.bool_, *, where: str
) -> None:
    """Refuse counts, scores and weights out of range; scores and weights in some rows only."""
    if name in _COUNTS:
        _refuse_where(values < 0, name, values, "negative", where)
    if is_score(name):  # NaN is neither below nor above
        is_outside = (values < -_ROUNDING) | (values > 1 + _ROUNDING)
        _refuse_where(rows & is_outside, name, values, "not in [0, 1]", where)
    if is_weight(name):
        is_outside = (values < 0) | np.isinf(values)
        _refuse_where(rows & is_outside, name, values, "no weight", where)


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


def _refuse_text(what: str, text: str, reason: str) -> None:
    """Raise the error."""
    msg = f"{what} {text!a} {reason} and cannot be stored. Rename the file."
    raise StoreError(msg)
