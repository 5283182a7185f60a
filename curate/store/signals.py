"""Signals that wait until the HDF5 library is done.

Python runs the handlers of signals between any two of its instructions, also inside the functions
that the HDF5 library calls to read and write. What a handler raises there is lost or brings the
library down.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def signals_held() -> Iterator[Callable[[], None]]:
    """Let signals that would raise something wait until the end of the block.

    Yields
    ------
    check : callable
        Raises `KeyboardInterrupt` if a signal is waiting: for long loops to call where it is safe.
        Outside the main thread, which alone handles signals, it does nothing.
    """
    waiting: list[int] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
            if callable(signal.getsignal(number)):
                handlers[number] = signal.signal(number, lambda got, _: waiting.append(got))

    def check() -> None:
        if waiting:
            raise KeyboardInterrupt

    try:
        yield check
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])
