"""Progress and warnings on stderr: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import os
import sys
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING

from curate.cli.meter import Meter
from curate.cli.results import duration
from curate.job import this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

PLAIN_EVERY_S = 10.0
LIVE_EVERY_S = 0.1
PARTS = ("real", "synthetic", "image", "region", "pixel")
"""Last words of the names of measurements that are shown in one row: ``loss_real``, .."""


class TerminalReporter(ABC):
    """`curate.reporting.Reporter` that draws on stderr.

    Parameters
    ----------
    console : Console
    clock : callable
        Seconds of a clock that never goes back.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self.clock = clock
        self.meter: Meter | None = None

    def start(self, task: str, total: int, done: int = 0, *, unit: str = "images") -> None:
        """Begin a task of `total` units, `done` of which are finished already."""
        self.finish()
        self.meter = Meter(task, unit, total, done, clock=self.clock)
        self._open(self.meter)

    def advance(self, done: int, values: dict[str, float] | None = None) -> None:
        """Tell that `done` units are finished; `values` are the newest measurements by name."""
        if self.meter is not None:
            self.meter.advance(done, values)
            self._update(self.meter)

    def warn(self, message: str) -> None:
        """Tell something that the person should act on."""
        self._say("warning: ", "yellow", message)

    def fail(self, message: str) -> None:
        """Close the display and tell why the command ends."""
        self.finish()
        self._say("error: ", "bold red", message)

    def finish(self) -> None:
        """End the task that was started last, if it has not ended."""
        if self.meter is not None:
            meter, self.meter = self.meter, None
            self._close(meter)

    def _say(self, tag: str, style: str, message: str) -> None:
        """Print one message in full, never wrapped and never read as markup."""
        from rich.text import Text

        self.console.print(Text.assemble((tag, style), message), soft_wrap=True)

    @abstractmethod
    def _open(self, meter: Meter) -> None:
        """Show that a task begins."""

    @abstractmethod
    def _update(self, meter: Meter) -> None:
        """Show how far a task is, if it is time to."""

    @abstractmethod
    def _close(self, meter: Meter) -> None:
        """Show how a task ended."""


class PlainReporter(TerminalReporter):
    """Reporter that writes a line when a task starts and ends, and about every ten seconds."""

    _next_line = 0.0

    def _open(self, meter: Meter) -> None:
        self._next_line = self.clock() + PLAIN_EVERY_S
        self._line(f"{meter.task}: {amount(meter)}")

    def _update(self, meter: Meter) -> None:
        if self.clock() < self._next_line:
            return
        self._next_line = self.clock() + PLAIN_EVERY_S
        self._line("; ".join([f"{meter.task}: {amount(meter)}, {pace(meter)}", *rows(meter)]))

    def _close(self, meter: Meter) -> None:
        ending = f"{meter.task}: {amount(meter)} in {duration(meter.seconds)}"
        self._line("; ".join([ending, *rows(meter)]))

    def _line(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, markup=False, highlight=False)


class MuteReporter(TerminalReporter):
    """Reporter of a process that leaves speaking to another one: it tells only why it fails."""

    def warn(self, message: str) -> None:
        """Ignore the warning."""

    def _open(self, meter: Meter) -> None:
        """Show nothing."""

    def _update(self, meter: Meter) -> None:
        """Show nothing."""

    def _close(self, meter: Meter) -> None:
        """Show nothing."""


class LiveReporter(TerminalReporter):
    """Reporter that redraws a bar and the newest measurements in place."""

    _live: Live | None = None
    _next_frame = 0.0

    def _open(self, meter: Meter) -> None:
        from rich.live import Live

        self._live = Live(_frame(meter), console=self.console, auto_refresh=False)
        self._live.start(refresh=True)

    def _update(self, meter: Meter) -> None:
        if self._live is not None and self.clock() >= self._next_frame:
            self._next_frame = self.clock() + LIVE_EVERY_S
            self._live.update(_frame(meter), refresh=True)

    def _close(self, meter: Meter) -> None:
        if self._live is not None:
            self._live.update(_frame(meter, is_last=True), refresh=True)
            self._live.stop()
            self._live = None


@contextmanager
def open_reporter() -> Iterator[TerminalReporter]:
    """Give a reporter that suits stderr; the library's log warnings go to it, too.

    Of the processes of a job, all but the first get a `MuteReporter`.
    """
    from rich.console import Console

    class PatientConsole(Console):
        """Console that falls silent, instead of ending the process, when no one reads it."""

        def on_broken_pipe(self) -> None:
            self.quiet = True
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stderr.fileno())
            os.close(nowhere)

    console = PatientConsole(stderr=True)
    is_terminal = sys.stderr is not None and sys.stderr.isatty() and not console.is_dumb_terminal
    kind = LiveReporter if is_terminal else PlainReporter
    reporter = kind(console) if this_process().is_first else MuteReporter(console)
    handler = _WarningHandler(reporter)
    logger = logging.getLogger("curate")
    logger.addHandler(handler)
    try:
        yield reporter
    finally:
        logger.removeHandler(handler)
        reporter.finish()


class _WarningHandler(logging.Handler):
    """Passes log records from WARNING upwards to a reporter."""

    def __init__(self, reporter: TerminalReporter) -> None:
        super().__init__(logging.WARNING)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        self._reporter.warn(record.getMessage())


def amount(meter: Meter) -> str:
    """Write how much is done: ``120/2,000 steps``."""
    return f"{meter.done:,}/{meter.total:,} {meter.unit}"


def pace(meter: Meter) -> str:
    """Write rate and time left: ``2.7 steps/s, 11:37 left``."""
    rate, left = meter.rate, meter.seconds_left
    if rate is None or left is None:
        return f"- {meter.unit}/s"
    speed = (
        f"{rate:.3g} {meter.unit}/s" if rate >= 0.1 else f"{1 / rate:.0f} s per {meter.unit[:-1]}"
    )
    return f"{speed}, {duration(left)} left"


def rows(meter: Meter) -> list[str]:
    """Write the measurements: ``loss real 0.612 synthetic 0.580``, a row for each first word."""
    groups: dict[str, list[str]] = {}
    for name, value in meter.values.items():
        group, _, part = name.rpartition("_")
        if part not in PARTS or not group:
            group, part = name, ""
        groups.setdefault(group.replace("_", " "), []).append(f"{part} {value:.3g}".strip())
    return [f"{group} {' '.join(parts)}" for group, parts in groups.items()]


def _frame(meter: Meter, *, is_last: bool = False) -> Table:
    """Draw the bar, and under it the measurements."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bar = Table.grid(padding=(0, 1))
    ending = f" in {duration(meter.seconds)}" if is_last else f", {pace(meter)}"
    bar.add_row(
        Text(meter.task, "bold"),
        ProgressBar(total=max(meter.total, 1), completed=meter.done, width=30),
        Text(f"{amount(meter)}{ending}"),
    )
    frame = Table.grid()
    frame.add_row(bar)
    for row in rows(meter):
        frame.add_row(Text(f"  {row}"))
    return frame
