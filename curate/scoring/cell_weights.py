"""The weight of each cell, which follows from its stored score and its class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.weighting import WeightRule


class CellWeights:
    """A weight rule, worked out for every score that a map can hold.

    Parameters
    ----------
    rule : WeightRule
    """

    def __init__(self, rule: WeightRule) -> None:
        weights = rule.tabulate()
        self._table = weights.astype(np.float32).reshape(-1)
        self._steps = np.rint(weights / weights.max() * 255).astype(np.uint8).reshape(-1)
        self._last = len(weights) - 1

    def weigh(self, stored: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Weigh cells by their score times 255 and their class (255: none), (h, w) all."""
        return self._table.take(self._find(stored, labels))

    def store(self, stored: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the same times 255, divided by the largest weight of the rule."""
        return np.asarray(self._steps.take(self._find(stored, labels)))

    def _find(self, stored: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[Any]:
        """Find the place of cells in the tables."""
        if not self._last:
            return stored
        return np.minimum(labels, self._last) * np.int64(256) + stored
