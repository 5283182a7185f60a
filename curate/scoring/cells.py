"""Which classes lie in which cell of an image, as a short list, and what its score weighs there.

A *cell* is a square of `stride` x `stride` pixels of the original image; maps of an H x W image
have ``ceil(H / stride)`` x ``ceil(W / stride)`` of them, those at the lower and right border
being cut off by the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.weighting import WeightRule


@dataclass(frozen=True, slots=True)
class CellClasses:
    """How many pixels of each class each cell has; pairs without a pixel are not listed.

    Most cells show one class, so the M entries are hardly more than there are cells.

    Attributes
    ----------
    shape : (int, int)
        Cells down and across.
    num_classes : int
    cell : (M,) int32
        Cell of each entry, counted row by row.
    class_id : (M,) uint8
    count : (M,) int32
        Pixels, at least 1; ignored pixels are in no entry.
    """

    shape: tuple[int, int]
    num_classes: int
    cell: NDArray[np.int32]
    class_id: NDArray[np.uint8]
    count: NDArray[np.int32]

    @property
    def valid_px(self) -> int:
        """Pixels that have a class."""
        return int(self.count.sum(dtype=np.int64))

    def class_px(self) -> NDArray[np.int64]:
        """Pixels of each class, (C,)."""
        return np.bincount(self.class_id, self.count, self.num_classes).astype(np.int64)

    def add_up(self, maps: NDArray[np.floating]) -> NDArray[np.float64]:
        """Add up maps (L, h, w) over the pixels of each entry, (L, M)."""
        values = maps.reshape(len(maps), -1).take(self.cell, axis=1)
        return np.asarray(values * self.count.astype(np.float64))

    def mean(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over the pixels that have a class, (L, M) to (L,); NaN without any."""
        total = self.valid_px
        return sums.sum(axis=1) / total if total else np.full(len(sums), np.nan)

    @staticmethod
    def mean_by(
        groups: NDArray[np.integer], sums: NDArray[np.float64], px: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Mean of a map over the pixels of each group of entries.

        Parameters
        ----------
        groups : (M,) int
            Group of each entry.
        sums : (M,) float64
            Of one map, from `CellClasses.add_up`.
        px : (G,) int64
            Pixels of each group.

        Returns
        -------
        means : (G,) float64
            NaN for a group without a pixel.

        Examples
        --------
        A cell with 3 pixels of class 0 and 1 of class 1, and a cell with 4 of class 1:

        >>> cells = CellClasses((1, 2), 2, *map(np.array, ([0, 0, 1], [0, 1, 1], [3, 1, 4])))
        >>> sums = cells.add_up(np.array([[[0.5, 1.0]]]))
        >>> cells.mean_by(cells.class_id, sums[0], np.array([3, 5, 0]))
        array([0.5, 0.9, nan])
        """
        means: NDArray[np.float64] = np.full(len(px), np.nan)
        np.divide(np.bincount(groups, sums, len(px)), px, out=means, where=px > 0)
        return means


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


def count_cell_classes(
    label_map: NDArray[np.uint8], *, num_classes: int, stride: int
) -> CellClasses:
    """Count the pixels of each class in each cell.

    Parameters
    ----------
    label_map : (H, W) uint8
        Class indices, 255 = ignore.
    """
    height, width = label_map.shape
    rows, columns = -(-height // stride), -(-width // stride)
    padded = np.full((rows * stride, columns * stride), IGNORE_INDEX, np.uint8)
    padded[:height, :width] = label_map
    low, high = (_pool(padded, stride, of) for of in (np.minimum, np.maximum))
    is_plain = low == high
    plain = np.flatnonzero(is_plain & (low < num_classes))
    mixed = np.flatnonzero(~is_plain)
    counts = _count_mixed(padded, mixed, num_classes=num_classes, stride=stride)
    which, class_id = np.nonzero(counts)
    return CellClasses(
        shape=(rows, columns),
        num_classes=num_classes,
        cell=np.concatenate([plain, mixed[which]]).astype(np.int32),
        class_id=np.concatenate([low.reshape(-1)[plain], class_id]).astype(np.uint8),
        count=np.concatenate([np.full(len(plain), stride**2), counts[which, class_id]]).astype(
            np.int32
        ),
    )


def centre_labels(label_map: NDArray[np.uint8], stride: int) -> NDArray[np.uint8]:
    """Label at the centre of each cell, (H, W) to (h, w)."""
    height, width = label_map.shape
    rows = np.minimum(np.arange(0, height, stride) + stride // 2, height - 1)
    columns = np.minimum(np.arange(0, width, stride) + stride // 2, width - 1)
    return np.asarray(label_map.take(rows, axis=0).take(columns, axis=1))


def _pool(padded: NDArray[np.uint8], stride: int, of: np.ufunc) -> NDArray[np.uint8]:
    """Reduce each cell by `of`; strided views are many times faster than reducing short axes."""
    rows = reduce(of, (padded[offset::stride] for offset in range(stride)))
    cells: NDArray[np.uint8] = reduce(of, (rows[:, offset::stride] for offset in range(stride)))
    return cells


def _count_mixed(
    padded: NDArray[np.uint8], mixed: NDArray[np.int64], *, num_classes: int, stride: int
) -> NDArray[np.int64]:
    """Count the classes of the cells that show several values, (len(mixed), C)."""
    columns = padded.shape[1] // stride
    blocks = padded.reshape(-1, stride, columns, stride)
    pixels = blocks[mixed // columns, :, mixed % columns].reshape(len(mixed), stride**2)
    key = np.arange(len(mixed))[:, None] * (num_classes + 1) + np.minimum(pixels, num_classes)
    counts = np.bincount(key.reshape(-1), minlength=len(mixed) * (num_classes + 1))
    return counts.reshape(len(mixed), num_classes + 1)[:, :num_classes]
