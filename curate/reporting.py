"""How long work reports its progress and its warnings."""

from __future__ import annotations

import logging
import sys
import time
from typing import Final, Protocol, TextIO

logger = logging.getLogger(__name__)

_REWRITTEN_EVERY_S: Final = 0.25
_LINE_WIDTH: Final = 80


class Reporter(Protocol):
    """Receives progress and warnings; the command line draws them, a program may log them."""

    def start(self, task: str, total: int, done: int = 0, *, unit: str = "images") -> None:
        """Begin a task of `total` units, `done` of which are finished already."""

    def advance(self, done: float, values: dict[str, float] | None = None) -> None:
        """Report that `done` units are finished; `values` are the newest measurements by name."""

    def warn(self, message: str) -> None:
        """Give a warning that the person should act on."""

    def note(self, message: str) -> None:
        """Say what was seen or decided; nothing is wrong."""

    def finish(self) -> None:
        """End the task that was started last."""


class SilentReporter:
    """Reporter that ignores all: of the processes of a job, only the first one reports."""

    def start(self, task: str, total: int, done: int = 0, *, unit: str = "images") -> None:
        """Ignore the task."""

    def advance(self, done: float, values: dict[str, float] | None = None) -> None:
        """Ignore the progress."""

    def warn(self, message: str) -> None:
        """Ignore the warning."""

    def note(self, message: str) -> None:
        """Ignore the note."""

    def finish(self) -> None:
        """Ignore the end."""


class LogReporter(SilentReporter):
    """Reporter that writes warnings and the start of each task to the log."""

    def start(self, task: str, total: int, done: int = 0, *, unit: str = "images") -> None:
        """Log the task."""
        logger.info("%s: %d of %d %s", task, done, total, unit)

    def warn(self, message: str) -> None:
        """Log the warning."""
        logger.warning(message)

    def note(self, message: str) -> None:
        """Log the note."""
        logger.info(message)


class LineReporter(SilentReporter):
    """Reporter that writes on one line that it rewrites, as a notebook shows it.

    Parameters
    ----------
    stream : text stream, optional
        stderr by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._task, self._total, self._unit = "", 0, ""
        self._next_s, self._width = 0.0, 0

    def start(self, task: str, total: int, done: int = 0, *, unit: str = "images") -> None:
        """Begin a line."""
        self._task, self._total, self._unit = task, total, unit
        self._next_s = 0.0
        self.advance(done)

    def advance(self, done: float, values: dict[str, float] | None = None) -> None:
        """Rewrite the line, a few times a second, and when the task is done."""
        if time.monotonic() < self._next_s and done < self._total:
            return
        self._next_s = time.monotonic() + _REWRITTEN_EVERY_S
        newest = "".join(f"  {name} {value:.3g}" for name, value in (values or {}).items())
        so_far = f"{done:,.{int(done % 1 > 0)}f}"  # of parts, tenths
        text = f"{self._task}: {so_far}/{self._total:,} {self._unit}{newest}"[:_LINE_WIDTH]
        self._stream.write(f"\r{text.ljust(self._width)}")
        self._stream.flush()
        self._width = len(text)

    def warn(self, message: str) -> None:
        """Write the warning on a line of its own."""
        self._say(f"warning: {message}")

    def note(self, message: str) -> None:
        """Write the note on a line of its own."""
        self._say(message)

    def finish(self) -> None:
        """End the line."""
        if self._width:
            self._say("")

    def _say(self, message: str) -> None:
        """Write below the line."""
        self._stream.write("\n" * bool(self._width) + message + "\n" * bool(message))
        self._stream.flush()
        self._width = 0


def default_reporter() -> Reporter:
    """Return what functions report to by default: in a notebook its output, else the log."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return LineReporter() if hasattr(shell, "kernel") else LogReporter()
