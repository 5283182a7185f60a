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

    def mark(self, values: NDArray[np.floating]) -> tuple[NDArray[np.bool_], int]:
        """Mark the best of the next values.

        Returns
        -------
        is_kept : (n,) bool
        last : int
            Place of the last one that is kept though another of its value is not; -1 without any.
        """
        is_kept = np.asarray(values > self.least)
        equal = np.flatnonzero(values == self.least)
        taken = equal[: self._left]
        self._left -= len(taken)
        is_kept[taken] = True
        return is_kept, int(taken[-1]) if len(taken) else -1


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
    >>> [best.mark(block)[0].tolist() for block in (values[:2], values[2:])]
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


def choose_best_images(
    sources: Sequence[SubsetSource],
    cut: Cut,
    keep: Callable[[SubsetSource, NDArray[np.bool_]], Choice],
) -> list[Choice]:
    """Keep whole images, whose scores are in memory, without a copy of them."""

    def blocks() -> Iterator[NDArray[np.floating]]:
        for values in (source.image_scores for source in sources):
            yield from (values[n : n + BLOCK_ROWS] for n in range(0, len(values), BLOCK_ROWS))

    best = find_best(blocks, cut)
    return [keep(source, best.mark(source.image_scores)[0]) for source in sources]


def choose_best_regions(sources: Sequence[SubsetSource], cut: Cut) -> list[Choice]:
    """Keep regions, whatever image they are in; only what is known of images is in memory."""

    def blocks() -> Iterator[NDArray[np.floating]]:
        for source in sources:
            yield from (values for _, _, values in _region_blocks(source))

    best = find_best(blocks, cut)
    return [_keep_regions(source, best) for source in sources]


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


def _keep_regions(source: SubsetSource, best: Best) -> Choice:
    """Keep the best regions of a data set."""
    counts, kept_px = (np.zeros(source.num_images, np.int64) for _ in range(2))
    class_px = np.zeros(len(source.provenance.classes.names), np.int64)
    selected, num_scored, highest, last = 0, 0, -math.inf, -1
    for first, block, values in _region_blocks(source, ("class_id", "valid_px")):
        is_kept, place = best.mark(values)
        last = first + place if place >= 0 else last
        selected += int(np.count_nonzero(is_kept))
        num_scored += len(values) - int(np.count_nonzero(np.isnan(values)))
        highest = float(np.fmax.reduce(values, initial=highest))
        low, high = int(block["image"][0]), int(block["image"][-1]) + 1
        image, px = block["image"] - low, block["valid_px"]
        counts[low:high] += np.bincount(image)
        kept = np.flatnonzero(is_kept)
        # sums of whole numbers below 2^53 are exact
        kept_px[low:high] += np.bincount(image[kept], px[kept], high - low).astype(np.int64)
        by_class = np.bincount(block["class_id"][kept], px[kept], len(class_px))
        class_px += by_class[: len(class_px)].astype(np.int64)
    starts = np.concatenate([[0], counts.cumsum()])

    def mask_of(row: int) -> NDArray[np.bool_]:
        rows = slice(int(starts[row]), int(starts[row + 1]))
        columns = (source.column, "region")
        values, number = (source.scores.tables.region_rows(name, rows) for name in columns)
        values = values * source.unit
        is_first = np.arange(rows.start, rows.stop) <= last
        is_kept = (values > best.least) | ((values == best.least) & is_first)
        return mask_regions(source, row, number, is_kept)

    return Choice(
        is_selected=kept_px > 0,
        kept_px=kept_px,
        class_px=class_px,
        selected=selected,
        of=num_scored,
        pixels_total=int(source.valid_px.sum()),
        best=highest if num_scored else math.nan,
        reason="no_region_selected",
        mask_of=mask_of,
    )


def mask_regions(
    source: SubsetSource, row: int, number: NDArray[np.int32], is_kept: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Mark the pixels of an image that lie in kept regions, (H, W).

    Parameters
    ----------
    number : (r,) int32
        Of each region of the image.
    is_kept : (r,) bool

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
    is_kept_by_number = np.zeros(len(number), np.bool_)
    is_kept_by_number[number[is_kept]] = True
    return source.to_pixels(is_kept_by_number[cells], row).astype(np.bool_)


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
