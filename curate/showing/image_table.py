"""The table of all images, column by column, in the form that the page reads."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate import records
from curate.scores import schema
from curate.texts import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from curate.showing.scored_sets import ScoredSets

_DIGITS: Final = 3


def tabulate_images(sets: ScoredSets, groups: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Lay the image tables of all sets out for the page.

    Parameters
    ----------
    groups : sequence of sequence of int
        Near-duplicates; their number, from 1, is a column.

    Returns
    -------
    table : dict
        ``ids``, ``sets`` (index of each), ``statuses``; ``columns``, a list of name and values,
        None where there is none; ``classes`` with base64 of (N, C) uint8, in 1/255: which share
        of each image's pixels is of a class, and its score of that class.
    """
    group_of = np.zeros(sets.num_images)
    for number, rows in enumerate(groups, start=1):
        group_of[list(rows)] = number
    names = (*records.SCORE_NAMES, *records.WEIGHT_NAMES)
    own = {name: _round(sets.column(name)) for name in names}
    own |= {
        f"{name} (stream)": _round(sets.column(schema.stream_column(name)))
        for name in sets.active_streams
    }
    own["valid pixels"] = [
        px if ok else None
        for px, ok in zip(sets.column("valid_px").tolist(), sets.is_ok.tolist(), strict=True)
    ]
    own["near-duplicates"] = [int(number) or None for number in group_of.tolist()]
    columns = [
        {"name": name.replace("_", " "), "values": values}
        for name, values in own.items()
        if any(value is not None for value in values)
    ]
    class_px = sets.column("class_px")
    share = class_px / np.maximum(class_px.sum(axis=1, keepdims=True), 1)
    return {
        "ids": [printable(text) for text in sets.texts("id")],
        "sets": sets.set_of.tolist(),
        "statuses": [printable(text) for text in sets.texts("status")],
        "columns": columns,
        "classShare": _pack(np.where((share > 0) & (share < 1 / 255), 1 / 255, share)),
        "classScore": _pack(sets.column("class_score")),
    }


def _round(values: NDArray[Any]) -> list[float | None]:
    """Round numbers; None stands for NaN."""
    return [
        None if np.isnan(value) else round(value, _DIGITS)
        for value in values.astype(np.float64).tolist()
    ]


def _pack(values: NDArray[Any]) -> str:
    """Pack values in [0, 1] into bytes."""
    return base64.b64encode((np.nan_to_num(values) * 255).round().astype(np.uint8)).decode()
