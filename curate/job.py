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
_SHARD: Final = re.compile(r"(auto|\d{1,9})(?:/(\d{1,9}))?", re.ASCII)
_AUTO: Final = "auto"
_MAX_DIGITS: Final = 9

_ARRAYS: Final = {
    "SLURM_ARRAY_TASK_ID": 1,
    "PBS_ARRAY_INDEX": 1,
    "PBS_ARRAYID": 1,
    "LSB_JOBINDEX": 1,
    "SGE_TASK_ID": 1,
    "JOB_COMPLETION_INDEX": 0,
}
"""Where Slurm, PBS Pro, Torque, LSF, Grid Engine and Kubernetes write the number of a task of an
array, and what that of the first part is."""


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


def is_automatic(text: str) -> bool:
    """Tell whether a part is to be taken from the job array that this process is in."""
    return text.strip().partition("/")[0] == _AUTO


def parse_shard(text: str) -> Shard:
    """Read ``2/8``, the second of eight parts, or ``auto/8``, the part of this task of an array.

    Bare ``auto`` does where the scheduler tells that the array is 1, 2, .. to its size.

    Raises
    ------
    UsageError
        If it is something else (numbers begin with 1), or this is no task of an array, or none of
        the parts is its own.

    Examples
    --------
    >>> parse_shard("2/8")
    Shard(number=2, count=8)
    """
    match = _SHARD.fullmatch(text.strip())
    if match and match[1] == _AUTO and match[2] != "0":
        return _find_shard(text, None if match[2] is None else int(match[2]))
    digits = match.groups("0") if match and match[1] != _AUTO else ("0", "0")
    number, count = map(int, digits)
    if not 1 <= number <= count:
        msg = (
            f"--shard {text}: write number/count, the parts of 8 being 1/8, 2/8, .. 8/8, or auto/8 "
            "in a job array."
        )
        raise UsageError(msg)
    return Shard(number, count)


def _find_shard(text: str, count: int | None) -> Shard:
    """Find out which part is this task's; without a count, that, too."""
    found = ((name, _read_index(name)) for name in _ARRAYS)
    name, index = next((each for each in found if each[1] is not None), ("", None))
    if index is None:
        msg = (
            f"--shard {text}: this is no task of a job array (of {', '.join(_ARRAYS)} none is a "
            "number). Start it as one, or let score take a part by its number: --shard 1/8."
        )
        raise UsageError(msg)
    first = _ARRAYS[name]
    count = _count_tasks(name) if count is None else count
    if not count:
        msg = (
            f"--shard {text}: the array of {name}={index} does not say that it is 1, 2 .. to the "
            "number of all parts: write that number, --shard auto/8 of score."
        )
        raise UsageError(msg)
    if not first <= index < first + count:
        msg = (
            f"--shard {text}: {name}={index} is none of the parts. Number the tasks {first} to "
            f"{first + count - 1}."
        )
        raise UsageError(msg)
    return Shard(index - first + 1, count)


def _count_tasks(name: str) -> int:
    """Tell the size of an array that is whole, 1 .. size; 0 where that is not known."""
    if name.startswith("SLURM"):
        ends = [_read_index(f"SLURM_ARRAY_TASK_{end}") for end in ("MIN", "MAX", "COUNT")]
    elif name.startswith("SGE"):
        first, last, step = (
            _read_index(f"SGE_TASK_{end}") for end in ("FIRST", "LAST", "STEPSIZE")
        )
        ends = [first, last, last if step == 1 else None]
    else:
        return 0
    return (ends[1] or 0) if ends[0] == 1 and ends[1] == ends[2] else 0


def _read_index(name: str) -> int | None:
    """Read a number that a scheduler wrote; what is no task of an array has none or, in LSF, 0."""
    text = os.environ.get(name, "")
    is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    return None if not is_number or (name, text) == ("LSB_JOBINDEX", "0") else int(text)
