"""Files that are read ahead of time by threads, for stores that answer late but many at once."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

NUM_THREADS: Final = 16
_MAX_BEGUN: Final = 512
"""Files that are read or were read, and are not taken yet; the oldest are dropped."""


class _Reading:
    """What this process has begun to read."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.begun: dict[Hashable, Future[Any]] = {}
        self.pool: ThreadPoolExecutor | None = None

    def start_over(self) -> None:
        """Forget all, in a forked process."""
        self.__init__()  # type: ignore[misc]


_reading: Final = _Reading()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reading.start_over)


def begin(key: Hashable, read: Callable[[], Any]) -> None:
    """Begin to read something, unless that was begun."""
    with _reading.lock:
        if key in _reading.begun:
            return
        _reading.pool = _reading.pool or ThreadPoolExecutor(NUM_THREADS, "read-ahead")
        _reading.begun[key] = _reading.pool.submit(read)
        while len(_reading.begun) > _MAX_BEGUN:
            _reading.begun.pop(next(iter(_reading.begun))).cancel()


def take(key: Hashable) -> Future[Any] | None:
    """Return what was begun, once; None where nothing was."""
    with _reading.lock:
        return _reading.begun.pop(key, None)
