"""Which process of a ``torchrun`` job this one is: its environment variables tell."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

_NEEDED: Final = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


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
        """Whether this process is the one that writes, and speaks."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other process."""
        return self.size == 1


ALONE: Final = World()
"""What a process sees that no one works with."""


def this_process() -> World:
    """Read the environment; a process that ``torchrun`` did not start is alone."""
    if not all(os.environ.get(name) for name in _NEEDED):
        return ALONE
    rank, size, local_rank = (int(os.environ[name]) for name in _NEEDED[:3])
    return World(rank, size, local_rank) if size > 1 else ALONE
