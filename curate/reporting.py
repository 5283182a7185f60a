"""How long work reports its progress and its warnings."""

from __future__ import annotations

import logging
from typing import Protocol

logger = logging.getLogger(__name__)


class Reporter(Protocol):
    """Receives progress and warnings; the command line draws them, a program may log them."""

    def start(self, task: str, total: int, done: int = 0, *, unit: str = "images") -> None:
        """Begin a task of `total` units, `done` of which are finished already."""

    def advance(self, done: int, values: dict[str, float] | None = None) -> None:
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

    def advance(self, done: int, values: dict[str, float] | None = None) -> None:
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
