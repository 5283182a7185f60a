"""How fast a task goes, and how long it will take."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_WINDOW_S = 60.0
_SAMPLE_S = 0.5


@dataclass
class Meter:
    """Progress of one task.

    Attributes
    ----------
    task, unit : str
    total, done : int
        In units; what was done before the start counts in `done`, not in the rate.
    values : dict of str to float
        Newest measurement of each name.
    clock : callable
        Seconds of a clock that never goes back.
    """

    task: str
    unit: str
    total: int
    done: int
    values: dict[str, float] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    _samples: deque[tuple[float, int]] = field(init=False)
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()
        self._samples = deque([(self._started, self.done)])

    def advance(self, done: int, values: dict[str, float] | None) -> None:
        """Take note of progress."""
        self.done = done
        self.values |= values or {}
        now = self.clock()
        if now - self._samples[-1][0] >= _SAMPLE_S:
            self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[0][0] > _WINDOW_S:
            self._samples.popleft()

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return self.clock() - self._started

    @property
    def rate(self) -> float | None:
        """Units a second over the last minute; None before anything was done."""
        since, before = self._samples[0]
        elapsed = self.clock() - since
        return (self.done - before) / elapsed if elapsed > 0 and self.done > before else None

    @property
    def seconds_left(self) -> float | None:
        """Time to the end at the present rate; None as long as there is none."""
        rate = self.rate
        return None if rate is None else max(self.total - self.done, 0) / rate
