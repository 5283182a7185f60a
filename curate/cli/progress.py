"""Progress and warnings on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import re
import sys
import textwrap
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from rich import progress as rich_progress
from rich.console import Console
from rich.table import Column
from rich.text import Text

from curate.cli.results import discard, duration
from curate.job import this_process
from curate.texts import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rich.console import RenderableType

PLAIN_EVERY_S = 10.0
LIVE_EVERY_S = 0.1
RATE_OVER_S = 300.0
_TEXT_WIDTH = 64  # columns that are left beside the bar
LONG_WORD = re.compile(r"\S{1000,}")
COMMANDS = ("curate ", "python -m ")
"""What lines begin with that can be pasted."""
PARTS = ("real", "synthetic", "image", "region", "pixel")
"""Last words of the names of measurements that are shown in one row: ``loss_real``, .."""


class TerminalReporter:
    """`curate.reporting.Reporter` that draws on stderr.

    A terminal gets a bar with the newest measurements below it. What is no terminal gets a line
    when a task starts and ends, and about every ten seconds.

    Parameters
    ----------
    console : Console
    is_live : bool
        Whether it is a terminal that can be drawn on.
    clock : callable
        Seconds of a clock that never goes back.
    """

    def __init__(
        self, console: Console, *, is_live: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.console = console
        self.is_live = is_live
        self.clock = clock
        self._bar: _Bar | None = None
        self._next_s = 0.0

    def start(self, task: str, total: int, done: int = 0, *, unit: str = "images") -> None:
        """Begin a task of `total` units, `done` of which are finished already."""
        self.finish()
        self._bar = _Bar(task, total, done, unit, self)
        self._bar.start()
        self._next_s = self.clock() + self._interval_s
        self._show(self._bar)

    def advance(self, done: float, values: Mapping[str, float] | None = None) -> None:
        """Report that `done` units are finished; `values` are the newest measurements by name."""
        if self._bar is not None:
            self._bar.values |= values or {}
            self._bar.update(self._bar.task_ids[0], completed=done)
            if self.clock() >= self._next_s:
                self._next_s = self.clock() + self._interval_s
                self._show(self._bar)

    def warn(self, message: str) -> None:
        """Give a warning that the person should act on."""
        self._say("warning: ", "yellow", message)

    def note(self, message: str) -> None:
        """Say what was seen or decided; nothing is wrong."""
        self._say("", "", message)

    def fail(self, message: str) -> None:
        """Close the display and tell why the command ends."""
        self.finish()
        self._say("error: ", "bold red", message)

    def finish(self) -> None:
        """End the task that was started last, if it has not ended."""
        if self._bar is not None:
            bar, self._bar = self._bar, None
            bar.stop_task(bar.task_ids[0])
            self._show(bar)
            bar.stop()

    @property
    def _interval_s(self) -> float:
        return LIVE_EVERY_S if self.is_live else PLAIN_EVERY_S

    def _show(self, bar: _Bar) -> None:
        """Draw the bar, or write a line."""
        if self.is_live:
            bar.refresh()
        else:
            (task,) = bar.tasks
            text = "; ".join([f"{task.description}: {progress_of(task)}", *rows(bar.values)])
            self.console.print(text, soft_wrap=True, markup=False, highlight=False)

    def _say(self, tag: str, style: str, message: str) -> None:
        """Print one message in full, never read as markup; a terminal gets it wrapped at words."""
        lines = [printable(LONG_WORD.sub(_shorten, line)) for line in message.splitlines()]
        if self.is_live:
            lines = [part for line in lines for part in self._wrap(line, tag)]
        text = "\n  ".join(lines)  # no line can pose as another's
        self.console.print(Text.assemble((tag, style), text), soft_wrap=True)

    def _wrap(self, line: str, tag: str) -> list[str]:
        """Break a line at words; a command that is to be pasted stays whole."""
        if line.startswith(COMMANDS):
            return [line]
        room = self.console.width - max(len(tag), len("  "))
        return textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False) or [""]


class QuietReporter(TerminalReporter):
    """Reporter that tells only warnings, and why it fails."""

    def start(self, task: str, total: int, done: int = 0, *, unit: str = "images") -> None:
        """Ignore the task."""

    def note(self, message: str) -> None:
        """Ignore the note."""


class MuteReporter(TerminalReporter):
    """Reporter of a process that leaves reporting to another one: it tells only why it fails."""

    def start(self, task: str, total: int, done: int = 0, *, unit: str = "images") -> None:
        """Ignore the task."""

    def warn(self, message: str) -> None:
        """Ignore the warning."""

    def note(self, message: str) -> None:
        """Ignore the note."""


class _Bar(rich_progress.Progress):
    """Progress of one task, with the newest measurements below it."""

    def __init__(
        self, task: str, total: int, done: int, unit: str, reporter: TerminalReporter
    ) -> None:
        self.values: dict[str, float] = {}
        super().__init__(
            rich_progress.TextColumn("[bold]{task.description}"),
            rich_progress.BarColumn(max(4, min(16, reporter.console.width - _TEXT_WIDTH))),
            _ProgressText(table_column=Column(no_wrap=True)),
            console=reporter.console,
            auto_refresh=False,
            disable=not reporter.is_live,
            get_time=reporter.clock,
            speed_estimate_period=RATE_OVER_S,
        )
        self.add_task(task, total=total, completed=done, unit=unit)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Draw the bar, and under it the measurements."""
        yield self.make_tasks_table(self.tasks)
        for row in rows(self.values):
            yield Text(f"  {row}")


class _ProgressText(rich_progress.ProgressColumn):
    """`progress_of` as a column."""

    def render(self, task: rich_progress.Task) -> Text:
        """Draw one task."""
        return Text(progress_of(task))


@contextmanager
def open_reporter(
    *, is_quiet: bool = False, is_verbose: bool = False
) -> Iterator[TerminalReporter]:
    """Give a reporter that suits stderr; the library's log warnings go to it, too.

    `is_verbose` passes on what else it logs.

    Of the processes of a job, all but the first get a `MuteReporter`.
    """
    console = Console(
        stderr=True, file=None if sys.stderr is None else cast("TextIO", _PatientStream(sys.stderr))
    )
    is_terminal = sys.stderr is not None and sys.stderr.isatty() and not console.is_dumb_terminal
    kind = QuietReporter if is_quiet else TerminalReporter
    kind = kind if this_process().is_first else MuteReporter
    reporter = kind(console, is_live=is_terminal)
    handler = _LogHandler(reporter)
    logger = logging.getLogger("curate")
    logger.addHandler(handler)
    level = logger.level
    if is_verbose:
        handler.setLevel(logging.DEBUG)
        logger.setLevel(logging.DEBUG)
    try:
        yield reporter
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        reporter.finish()


class _PatientStream:
    """Stream that falls silent where it cannot be written: a full disk must not end the work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, if that can be done."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, if that can be done; else nothing more is written."""
        try:
            self._stream.flush()
        except OSError:
            discard(self._stream)
        except ValueError:  # it was closed
            return


class _LogHandler(logging.Handler):
    """Passes log records from WARNING upwards to a reporter, others as notes if asked to."""

    def __init__(self, reporter: TerminalReporter) -> None:
        super().__init__(logging.WARNING)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        is_warning = record.levelno >= logging.WARNING
        (self._reporter.warn if is_warning else self._reporter.note)(record.getMessage())


def _shorten(found: re.Match[str]) -> str:
    """Leave out the middle of a word that is too long for anybody to read."""
    return f"{found[0][:200]}[..]{found[0][-100:]}"


def progress_of(task: rich_progress.Task) -> str:
    """Write how far a task is: ``120/2,000 steps, 2.7 steps/s, 11:37 left``."""
    unit = task.fields["unit"]
    text = f"{task.completed:,.{int(task.completed % 1 > 0)}f}/{task.total or 0:,.0f} {unit}"
    if task.stop_time is not None:
        return f"{text} in {duration(task.elapsed or 0)}"
    if not task.speed or task.time_remaining is None:
        return text
    is_slow = task.speed < 0.1
    rate = f"{1 / task.speed:.0f} s per {unit[:-1]}" if is_slow else f"{task.speed:.3g} {unit}/s"
    return f"{text}, {rate}, {duration(task.time_remaining)} left"


def rows(values: Mapping[str, float]) -> list[str]:
    """Write measurements: ``loss real 0.612 synthetic 0.580``, a row for each first word."""
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        group, _, part = name.rpartition("_")
        if part not in PARTS or not group:
            group, part = name, ""
        groups.setdefault(group.replace("_", " "), []).append(f"{part} {value:.3g}".strip())
    return [f"{group} {' '.join(parts)}" for group, parts in groups.items()]
