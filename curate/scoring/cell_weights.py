"""The weight of each cell, which follows from its stored score and its class."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        self._weights = weights.astype(np.float32)
        self._stored = np.rint(weights / weights.max() * 255).astype(np.uint8)

    def weigh(self, stored: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Weigh cells by their score times 255 and their class (255: none), (h, w) all."""
        return self._weights.reshape(-1)[self._find(stored, labels)]

    def weigh_stored(
        self, stored: NDArray[np.uint8], labels: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Return the same times 255, divided by the largest weight of the rule."""
        return self._stored.reshape(-1)[self._find(stored, labels)]

    def _find(self, stored: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Find the place of cells in the tables."""
        last = len(self._weights) - 1
        return np.minimum(labels, last).astype(np.int64) * 256 + stored if last else stored
