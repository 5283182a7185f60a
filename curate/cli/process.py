"""What a command does with its process: exit codes, signals, memory."""

from __future__ import annotations

import gc
import os
import shlex
import signal
import sys
import threading
import traceback
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import typer

from curate import errors, job
from curate.cli import results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from curate.cli.progress import TerminalReporter

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_SPINS = "10000"
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")

_STARTED_OVER = ("demo", "fit", "score", "compare")
"""Commands that go on with what ``--overwrite`` began; others write their output at the end."""

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
"""Numbers of the parameters in glibc's malloc.h."""

_NEVER = 2**31 - 1


class Talk(NamedTuple):
    """How much a command tells on stderr, whether it can be resumed, what it writes to a disk."""

    quiet: bool = False
    verbose: bool = False
    resumable: str = ""
    local_out: Path | None = None


_talk = [Talk()]
"""That of the command at hand, the only one of this process."""


def set_talk(
    *, quiet: bool, verbose: bool, resumable: str = "", local_out: Path | None = None
) -> None:
    """Say how much the command that follows tells.

    Parameters
    ----------
    resumable : str
        Its name, if it has ``--resume``.
    local_out : Path, optional
        Its ``--out``, if that cannot be a URL.

    Raises
    ------
    BadParameter
        If it is to tell less and more.
    """
    if quiet and verbose:
        msg = "--quiet and --verbose exclude each other: give one of them."
        raise typer.BadParameter(msg)
    _talk[0] = Talk(quiet, verbose, resumable, local_out)


def run(app: Callable[[], None]) -> None:
    """Run an app; that its help or version cannot be printed is an error like any other."""
    try:
        Path.cwd()
    except OSError as error:  # not even all imports work then
        typer.echo(f"error: {_explain_system(error)}", err=True)
        sys.exit(EXIT_FAILED)
    try:
        app()
    except OSError as error:  # commands catch their own
        if not error.errno:
            raise
        results.discard(sys.stdout)
        with suppress(OSError):
            typer.echo(f"error: cannot write to stdout: {error.strerror}.", err=True)
        sys.exit(EXIT_FAILED)
    finally:
        gc.freeze()  # else the interpreter looks for garbage in all of torch, which takes seconds


@contextmanager
def command_errors() -> Iterator[TerminalReporter]:
    """Give a command its reporter; turn what it raises into one message and an exit code.

    A `UsageError` or `ConfigError` ends with 2, any other `CurateError` with 1, an interruption
    with 130. Anything else is a bug and keeps its traceback.
    """
    from curate.cli.progress import open_reporter

    talk = _talk[0]
    with (
        open_reporter(is_quiet=talk.quiet, is_verbose=talk.verbose) as reporter,
        _stop_signals_interrupt(),
    ):
        try:
            if talk.local_out is not None:
                _refuse_url(talk.local_out)
            yield reporter
        except (errors.UsageError, errors.ConfigError) as error:
            _leave(reporter, str(error), EXIT_USAGE)
        except errors.CurateError as error:
            _leave(reporter, str(error), EXIT_FAILED)
        except KeyboardInterrupt:
            _leave(reporter, f"interrupted.{_how_to_go_on()}", EXIT_INTERRUPTED)
        except (OSError, MemoryError, UnicodeEncodeError, RuntimeError) as error:
            if message := _explain_system(error):
                _leave(reporter, message, EXIT_FAILED)
            raise


def _refuse_url(out: Path) -> None:
    """Refuse an output at a URL."""
    from curate import remote  # here, so that --help need not wait for it

    if remote.is_url(out):
        msg = f"--out {remote.as_path(out)}: this is written to a disk. Name a place on one."
        raise errors.UsageError(msg)


def let_waiting_threads_sleep() -> None:
    """Let threads of OpenMP that wait for each other sleep soon, before torch starts any.

    By default they spin for milliseconds, which is worst where other programs want the cores: the
    thread that is waited for has none to run on. Sleeping at once costs more on an idle machine.
    A step of two threads on two cores, idle and beside two busy programs: 132 and 479 ms by
    default, 226 and 268 without any spinning, 136 and 277 with `_SPINS`.
    Whoever sets one of these variables is left alone. Processes that are started inherit it.
    """
    if not any(name in os.environ for name in _WAITING):
        os.environ["GOMP_SPINCOUNT"] = _SPINS


def keep_memory() -> None:
    """Let the process keep freed memory for itself, in one heap for all threads.

    By default glibc gives large blocks back to the system as soon as they are freed. Networks on a
    CPU free and ask for hundreds of megabytes at every step, and the system then fills them with
    zeros anew: more than half of the time of a forward pass at 512x1024 pixels went there.
    Whoever sets malloc's environment variables is left alone, and so are other C libraries.
    """
    is_set = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    if sys.platform != "linux" or is_set:
        return
    import ctypes  # here, so that --help need not wait for it

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)


def _explain_system(error: Exception) -> str:
    """Put into words what the system, not our code, could not do; empty where it is a bug."""
    if isinstance(error, UnicodeEncodeError):
        name = ascii(error.object[error.start : error.start + 60])
        if sys.getfilesystemencoding() != "utf-8":
            return f"this locale cannot name files in UTF-8 ({name}): set LC_ALL=C.UTF-8."
        return f"{name} is part of a name that is no valid UTF-8: rename the file."
    if errors.is_out_of_memory(error):
        return "the memory is used up: take a smaller size or batch, or fewer workers."
    if not isinstance(error, OSError) or not error.errno:
        return ""
    from curate.files.atomic import describe

    return describe(error)


def _how_to_go_on() -> str:
    """Write the command that goes on from here, to be pasted as it is."""
    left_out = ["--resume", *(["--overwrite"] if _talk[0].resumable in _STARTED_OVER else [])]
    words = [word for word in sys.argv[1:] if word not in left_out]
    if _talk[0].resumable not in words:  # cannot be resumed, or a program's command line, not ours
        return ""
    return f" Go on with:\n{_program()} {shlex.join([*words, '--resume'])}"


def _program() -> str:
    """Write how this program was started."""
    return "python -m curate" if Path(sys.argv[0]).name == "__main__.py" else "curate"


def _leave(reporter: TerminalReporter, message: str, code: int) -> NoReturn:
    """Say why, and exit: the only way out of a command that failed."""
    if _talk[0].verbose and code != EXIT_INTERRUPTED:
        message = f"{message}\n{traceback.format_exc()}"
    process = job.this_process()
    if process.is_alone or _reports_for_job(process, is_interrupted=code == EXIT_INTERRUPTED):
        reporter.fail(message)
    raise typer.Exit(code)


def _reports_for_job(process: job.World, *, is_interrupted: bool) -> bool:
    """Tell whether this process of a job is the one that says why the job ends."""
    if is_interrupted:  # as all are, together
        return process.is_first
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # comes when another process has ended
    from curate.distributed import claim_failure

    return claim_failure()


@contextmanager
def _stop_signals_interrupt() -> Iterator[None]:
    """Let SIGTERM, SIGUSR1 and, unless it is ignored as under nohup, SIGHUP do what Ctrl-C does.

    Schedulers send SIGUSR1 when the time of a job is nearly up, if they are asked to.
    """
    owner = os.getpid()

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if os.getpid() == owner:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)  # a forked worker just ends
        os.kill(os.getpid(), number)

    previous = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP", "SIGUSR1"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                previous[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
