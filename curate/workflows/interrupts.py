"""Let a loop finish its step before Ctrl-C or SIGTERM ends it."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType, TracebackType


class InterruptFlag:
    """Context in which the first SIGINT or SIGTERM only sets a flag; a second one interrupts.

    Outside the main thread signals cannot be caught, and the flag is never set.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Remember the first signal, raise on the second."""
        if self.is_set:
            raise KeyboardInterrupt
        self.is_set = True
