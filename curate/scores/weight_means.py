"""Weights of mean 1 over the valid pixels of a data set, though parts of it are scored apart.

The mean is known when all images are there. Until then weights are kept as the rule gives them, in
units so coarse that they come back exactly after they were divided by a mean: so a file that is
merged of parts, or resumed, is that of one scorer to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from curate.records import OK, WEIGHT_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.scores.columns import Columns

_UNITS: Final = 1 << 18
"""Units of weight 1."""

_BLOCK_ROWS: Final = 65_536


def round_weights(columns: Columns, factors: Sequence[float] = (1.0,) * 4) -> Columns:
    """Multiply the weights of a table and round them to whole units; the other way round `divide`.

    Parameters
    ----------
    factors : sequence of float
        By `WEIGHT_NAMES`.
    """
    rounded = {
        name: (np.rint(columns[name] * np.float64(factor) * _UNITS) / _UNITS).astype(np.float32)
        for name, factor in zip(WEIGHT_NAMES, factors, strict=True)
        if name in columns
    }
    return columns | rounded


def measure_means(images: Columns) -> tuple[float, ...]:
    """Return the mean of each of `WEIGHT_NAMES` over the valid pixels of all images; 1 without any.

    Whole numbers are added up, so that the order of the images does not matter.
    """
    is_ok = images["status"] == OK
    valid_px = images["valid_px"][is_ok].astype(np.int64)
    means = []
    for name in WEIGHT_NAMES:
        units = np.rint(images[name][is_ok].astype(np.float64) * _UNITS).astype(np.int64)
        blocks = np.arange(0, len(units), _BLOCK_ROWS)
        total = sum(np.add.reduceat(units * valid_px, blocks).tolist()) if len(units) else 0
        means.append(total / (_UNITS * int(valid_px.sum())) if total else 1.0)
    return tuple(means)


def divide(columns: Columns, means: Sequence[float]) -> Columns:
    """Divide the weights of a table by their means."""
    divided = {
        name: (columns[name] / np.float64(mean)).astype(np.float32)
        for name, mean in zip(WEIGHT_NAMES, means, strict=True)
        if name in columns
    }
    return columns | divided
