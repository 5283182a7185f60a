"""Splits: which of train, val, test, .. of a data set are taken."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from curate import errors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from curate import records
    from curate.data.layouts.listing import Listing


def count_splits(pairs: Iterable[records.Pair]) -> dict[str, int]:
    """Count the images of each split, in the order of their names; '' = of none."""
    return dict(sorted(Counter(pair.split for pair in pairs).items()))


def describe_splits(counts: dict[str, int]) -> str:
    """Write counts of splits as ``train 2,975, val 500``."""
    return ", ".join(f"{split or 'no split'} {count:,}" for split, count in counts.items())


def take_split(path: Path, listed: Listing, split: str | None) -> tuple[records.Pair, ...]:
    """Keep the images of a split; all where none is asked for.

    Raises
    ------
    DataError
        With code ``no_split``, if the data set has no such split with labels.
    """
    if split is None:
        return listed.pairs
    kept = tuple(pair for pair in listed.pairs if pair.split.lower() == split.lower())
    if not kept:
        there = describe_splits(count_splits(listed.pairs)) or "none"
        without = describe_splits(listed.unlabelled)
        without = f"; without labels: {without}" if without else ""
        msg = f"{path} has no split '{split}'. It has: {there}{without}. Name one of these."
        raise errors.DataError(msg, code="no_split")
    return kept


def describe_several(pairs: Iterable[records.Pair]) -> str:
    """Describe the splits of a data set that has more than one, '' for any other."""
    counts = count_splits(pairs)
    return describe_splits(counts) if len([split for split in counts if split]) > 1 else ""


def check_one_split(path: Path, pairs: Iterable[records.Pair], *, table: str) -> None:
    """Refuse a data set of several splits of which none was chosen.

    Parameters
    ----------
    table : str
        Where the user can choose it: ``real`` or ``test``.

    Raises
    ------
    DataError
        With code ``mixed_splits``.
    """
    counts = count_splits(pairs := tuple(pairs))
    if several := describe_several(pairs):
        first = next(split for split in counts if split)
        chosen = next((split for split in counts if split.lower().startswith("train")), first)
        msg = (
            f"{path} holds several splits: {several}. What is learned from one "
            f'not be measured on it: choose one, for example split = "{chosen}" under [[{table}]] '
            "in curate.toml."
        )
        raise errors.DataError(msg, code="mixed_splits")
