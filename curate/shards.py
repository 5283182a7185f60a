"""Parts of a data set that are scored by themselves: by jobs of an array, or by processes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from curate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

_PATTERN: Final = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several parts.

    Attributes
    ----------
    number : int
        Counted from 1.
    count : int
    """

    number: int = 1
    count: int = 1

    @property
    def is_whole(self) -> bool:
        """Tell whether there is no other part."""
        return self.count == 1

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Cut out this part: neighbours stay together, sizes differ by at most one.

        Examples
        --------
        >>> [Shard(number, 3).of("abcdefg") for number in (1, 2, 3)]
        ['ab', 'cd', 'efg']
        """
        start, end = (len(items) * n // self.count for n in (self.number - 1, self.number))
        return items[start:end]


def parse_shard(text: str) -> Shard:
    """Read ``2/8``, the second of eight parts.

    Raises
    ------
    UsageError
        If it is something else; numbers begin with 1.

    Examples
    --------
    >>> parse_shard("2/8")
    Shard(number=2, count=8)
    """
    match = _PATTERN.fullmatch(text.strip())
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= count:
        msg = f"--shard {text}: write number/count, the parts of 8 being 1/8, 2/8, .. 8/8."
        raise UsageError(msg)
    return Shard(number, count)
