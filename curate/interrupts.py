"""Ctrl-C and other signals that wait: for the end of a step, or of a call of the HDF5 library."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_HELD: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
_NOTED: Final = ("SIGINT", "SIGTERM", "SIGUSR1")


class InterruptFlag:
    """Context in which the first of `_NOTED` only sets a flag; a second one interrupts.

    Outside the main thread signals cannot be caught, and the flag is never set.

    Parameters
    ----------
    at_once : bool
        Whether the first one interrupts, too, wherever the work is; where Python lets that pass
        (in what it calls as it frees objects), the flag still tells.
    """

    def __init__(self, *, at_once: bool = False) -> None:
        self.is_set = False
        self._at_once = at_once
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in _NOTED if hasattr(signal, name)):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Set the flag on the first signal, raise on the second, or at once."""
        is_told = self.is_set or self._at_once
        self.is_set = True
        if is_told:
            raise KeyboardInterrupt


@contextmanager
def signals_held() -> Iterator[Callable[[], None]]:
    """Let signals that would raise something wait until the end of the block.

    Python runs the handlers of signals between any two of its instructions, also inside the
    functions that the HDF5 library calls to read and write. What a handler raises there is lost
    or crashes the library.

    Yields
    ------
    check : callable
        Raises `KeyboardInterrupt` if a signal is waiting: for long loops to call where it is safe.
        Outside the main thread, which alone handles signals, it does nothing.
    """
    waiting: list[int] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        for number in (getattr(signal, name) for name in _HELD if hasattr(signal, name)):
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
