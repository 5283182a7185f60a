"""The best units of score files that need not fit into memory: read block after block, in order.

What is kept follows from one value: all that is above it, and of those that equal it the first
ones. It is found exactly, by counting the upper, then the lower bits of all values.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate.errors import StoreError
from curate.scores.h5_read import BLOCK_ROWS
from curate.scores.schema import REGIONS
from curate.selection.choice import Choice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from curate import reporting
    from curate.selection.cuts import Cut
    from curate.selection.source import SubsetSource

    Blocks = Callable[[], Iterable[NDArray[np.floating]]]

_HALF_BITS: Final = 16
_NUM_HALVES: Final = 1 << _HALF_BITS
_HALF: Final = np.uint32(_HALF_BITS)
_LOWER: Final = np.uint32(_NUM_HALVES - 1)
_SIGN: Final = np.uint32(1 << 31)

POLICIES: Final = ("top", "count", "threshold")
"""Cuts that one value and a number of equal ones decide."""


class Best:
    """Marks the best values, block after block in their order.

    Parameters
    ----------
    least : float
        Smallest value that is kept.
    ties : int
        How many of just this value are kept, the first ones.
    """

    def __init__(self, least: float, ties: int) -> None:
        self.least, self._left = least, ties

    def mark(self, values: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Mark the best of the next values, (n,)."""
        is_kept = np.asarray(values > self.least)
        equal = np.flatnonzero(values == self.least)[: self._left]
        self._left -= len(equal)
        is_kept[equal] = True
        return is_kept


def find_best(blocks: Blocks, cut: Cut) -> Best:
    """Find what decides which of all values a cut keeps; they are read once or twice.

    Parameters
    ----------
    blocks : callable
        Yields all values, from the first on each time; NaN where there is none.
    cut : Cut
        Of one of `POLICIES`.

    Examples
    --------
    >>> from curate.selection.cuts import Cut
    >>> values = np.array([0.5, np.nan, 0.9, 0.5], np.float32)
    >>> best = find_best(lambda: [values[:2], values[2:]], Cut("top", 0.5))
    >>> [best.mark(block).tolist() for block in (values[:2], values[2:])]
    [[True, False], [True, False]]
    """
    if cut.policy == "threshold":
        return Best(cut.value, np.iinfo(np.int64).max)
    counts = _count(keys >> _HALF for keys in map(_keys, blocks()))
    num_kept = cut.num_kept(int(counts.sum()), lambda _: 0)
    if not num_kept:
        return Best(math.inf, 0)
    upper, rest = _find(counts, num_kept)
    inside = (keys[keys >> _HALF == upper] for keys in map(_keys, blocks()))
    lower, ties = _find(_count(keys & _LOWER for keys in inside), rest)
    return Best(_value(upper << _HALF_BITS | lower), ties)


def mark_best_images(sources: Sequence[SubsetSource], cut: Cut) -> NDArray[np.bool_]:
    """Mark the best images, whose scores are in memory, without a copy of them."""

    def blocks() -> Iterator[NDArray[np.floating]]:
        for values in (source.image_scores for source in sources):
            yield from (values[n : n + BLOCK_ROWS] for n in range(0, len(values), BLOCK_ROWS))

    return _mark_best(blocks, cut)


def mark_best_regions(sources: Sequence[SubsetSource], cut: Cut) -> NDArray[np.bool_]:
    """Mark the best regions; of each, this mark is all that is in memory."""

    def blocks() -> Iterator[NDArray[np.floating]]:
        for source in sources:
            yield from (values for _, _, values in _region_blocks(source))

    return _mark_best(blocks, cut)


def _mark_best(blocks: Blocks, cut: Cut) -> NDArray[np.bool_]:
    """Mark the best of all values."""
    best, marks = find_best(blocks, cut), bytearray()
    for values in blocks():
        marks += best.mark(values).tobytes()
    return np.frombuffer(marks, np.bool_)


def _region_blocks(
    source: SubsetSource, names: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, Any], NDArray[np.float32]]]:
    """Yield `SubsetSource.region_scores` block after block: first row, columns, scores."""
    is_all, is_candidate = bool(source.is_candidate.all()), source.is_candidate
    wanted = [name for name in ("image", *names) if names or not is_all]
    for first, block in source.scores.tables.blocks(REGIONS, (*wanted, source.column)):
        values = block[source.column]
        values = values * source.unit if source.unit != 1 else values
        yield (
            first,
            block,
            values if is_all else np.where(is_candidate[block["image"]], values, np.nan),
        )


def keep_regions(source: SubsetSource, is_kept: NDArray[np.bool_]) -> Choice:
    """Keep the regions of a data set that were selected, (R,); their classes are not counted."""
    counts, kept_px = (np.zeros(source.num_images, np.int64) for _ in range(2))
    num_scored, highest = 0, -math.inf
    for first, block, values in _region_blocks(source, ("valid_px",)):
        num_scored += len(values) - int(np.count_nonzero(np.isnan(values)))
        highest = float(np.fmax.reduce(values, initial=highest))
        low, high = int(block["image"][0]), int(block["image"][-1]) + 1
        image, kept = block["image"] - low, np.flatnonzero(is_kept[first : first + len(values)])
        counts[low:high] += np.bincount(image)
        # sums of whole numbers below 2^53 are exact
        px = np.bincount(image[kept], block["valid_px"][kept], high - low)
        kept_px[low:high] += px.astype(np.int64)
    starts = np.concatenate([[0], counts.cumsum()])

    def mask_of(row: int) -> NDArray[np.bool_]:
        rows = slice(int(starts[row]), int(starts[row + 1]))
        places = place_regions(source, row, source.scores.tables.region_rows("region", rows))
        return source.to_pixels(is_kept[rows][places], row).astype(np.bool_)

    return Choice(
        is_selected=kept_px > 0,
        kept_px=kept_px,
        class_px=None,
        selected=int(is_kept.sum()),
        of=num_scored,
        pixels_total=int(source.valid_px.sum()),
        best=highest if num_scored else math.nan,
        reason="no_region_selected",
        mask_of=mask_of,
    )


def count_in_regions(source: SubsetSource, reporter: reporting.Reporter) -> NDArray[np.int32]:
    """Count the pixels of each class in each region, (R, C); reads the labels of all images."""
    num_classes = len(source.provenance.classes.names)
    image, number = map(source.scores.region_column, ("image", "region"))
    counts = np.zeros((len(image), num_classes), np.int32)
    ends = np.searchsorted(image, np.arange(source.num_images + 1))
    rows = np.flatnonzero(np.diff(ends)).tolist()
    reporter.start("count classes", len(rows))
    for done, row in enumerate(rows, start=1):
        own = slice(ends[row], ends[row + 1])
        places = source.to_pixels(place_regions(source, row, number[own]), row)
        label_map = source.read_labels(row)
        is_valid = label_map < num_classes
        joint = places[is_valid].astype(np.int64) * num_classes + label_map[is_valid]
        found = np.bincount(joint, minlength=counts[own].size)
        counts[own] = found.reshape(-1, num_classes)
        reporter.advance(done)
    reporter.finish()
    return counts


def place_regions(source: SubsetSource, row: int, number: NDArray[np.int32]) -> NDArray[np.integer]:
    """Say for each cell of an image which of its regions it is in, (h, w).

    Parameters
    ----------
    number : (r,) int32
        What the map calls each region of the image, in the order of the table.

    Raises
    ------
    StoreError
        If the map of the image and the table of regions contradict each other.
    """
    cells = source.scores.region_ids(source.id_of(row))
    if cells.size and max(cells.max(), number.max(initial=0)) >= len(number):
        msg = (
            f"{source.scores.path}: the map of image '{source.id_of(row)}' names regions that "
            "its table does not have. Score the data set again."
        )
        raise StoreError(msg)
    place = np.zeros(len(number), np.int32)
    place[number] = np.arange(len(number))
    return np.asarray(place[cells])


def _keys(values: NDArray[np.floating]) -> NDArray[np.uint32]:
    """Turn values, but for NaN, into whole numbers in the same order; both zeros are one."""
    is_none = np.isnan(values)
    given = values[~is_none] if is_none.any() else values
    bits = (given.astype(np.float32) + np.float32(0)).view(np.uint32)
    if not (bits & _SIGN).any():
        return bits | _SIGN
    return np.asarray(np.where(bits & _SIGN, ~bits, bits | _SIGN), np.uint32)


def _value(key: int) -> float:
    """Undo `_keys`."""
    bits = key ^ int(_SIGN) if key & int(_SIGN) else ~key & 0xFFFFFFFF
    return float(np.array(bits, np.uint32).view(np.float32))


def _count(blocks: Iterable[NDArray[np.uint32]]) -> NDArray[np.int64]:
    """Count each of the numbers that half of the bits can be."""
    counts = np.zeros(_NUM_HALVES, np.int64)
    for numbers in blocks:
        counts += np.bincount(numbers, minlength=_NUM_HALVES)
    return counts


def _find(counts: NDArray[np.int64], num: int) -> tuple[int, int]:
    """Find the number that the `num`-th highest is, and how many of it are among so many."""
    reached = counts[::-1].cumsum()
    place = int(np.searchsorted(reached, num))
    before = int(reached[place - 1]) if place else 0
    return len(counts) - 1 - place, num - before
