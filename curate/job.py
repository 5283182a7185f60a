"""Which part of the work is this process's: of a ``torchrun`` job, and of a job array."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from curate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

_NEEDED: Final = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_SHARD: Final = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class World:
    """The processes that work together, seen from one of them.

    Attributes
    ----------
    rank : int
        Number of this process, 0 .. size-1.
    size : int
        Number of processes.
    local_rank : int
        Number of this process among those on its machine; the number of its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes and reports."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other process."""
        return self.size == 1


ALONE: Final = World()
"""A process that works by itself."""


def this_process() -> World:
    """Read the environment; a process that ``torchrun`` did not start is alone."""
    if not all(os.environ.get(name) for name in _NEEDED):
        return ALONE
    rank, size, local_rank = (int(os.environ[name]) for name in _NEEDED[:3])
    return World(rank, size, local_rank) if size > 1 else ALONE


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
    match = _SHARD.fullmatch(text.strip())
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= count:
        msg = f"--shard {text}: write number/count, the parts of 8 being 1/8, 2/8, .. 8/8."
        raise UsageError(msg)
    return Shard(number, count)
