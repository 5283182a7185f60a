"""The seam between command line and library: here exceptions become messages and exit codes."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from curate.cli.progress import open_reporter
from curate.errors import ConfigError, CurateError, UsageError
from curate.job import this_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from curate.cli.progress import TerminalReporter
    from curate.job import World

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


@contextmanager
def command_errors() -> Iterator[TerminalReporter]:
    """Give a command its reporter; turn what it raises into one message and an exit code.

    A `UsageError` or `ConfigError` ends with 2, any other `CurateError` with 1, an interruption
    with 130. Anything else is a bug and keeps its traceback.
    """
    with open_reporter() as reporter, _stop_signals_interrupt():
        try:
            yield reporter
        except (UsageError, ConfigError) as error:
            _leave(reporter, str(error), EXIT_USAGE)
        except CurateError as error:
            _leave(reporter, str(error), EXIT_FAILED)
        except KeyboardInterrupt:
            _leave(reporter, "interrupted.", EXIT_INTERRUPTED)


def _leave(reporter: TerminalReporter, message: str, code: int) -> NoReturn:
    """Say why, and exit: the only way out of a command that failed."""
    process = this_process()
    if process.is_alone or _speaks_for_job(process, is_interrupted=code == EXIT_INTERRUPTED):
        reporter.fail(message)
    raise typer.Exit(code)


def _speaks_for_job(process: World, *, is_interrupted: bool) -> bool:
    """Tell whether this process of a job is the one that says why the job ends."""
    if is_interrupted:  # as all are, together
        return process.is_first
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # comes when another process has ended
    from curate.distributed import claim_failure

    return claim_failure()


@contextmanager
def _stop_signals_interrupt() -> Iterator[None]:
    """Let SIGTERM, and SIGHUP unless it is ignored as under nohup, do what Ctrl-C does."""
    owner = os.getpid()

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if os.getpid() == owner:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)  # a forked worker just ends
        os.kill(os.getpid(), number)

    previous = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                previous[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
