from __future__ import annotations

import ctypes
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli.app import app
from curate.cli.process import command_errors
from curate.errors import (
    ConfigError,
    CurateError,
    DataError,
    LabelError,
    RunError,
    StoreError,
    UsageError,
)
from curate.job import World
from tests.tiny import write_dataset

SLEEPER = """
import sys, time
from types import ModuleType
stand_in = ModuleType("curate.training.fit")
def fit(config, **kwargs):
    try:
        print("ready", flush=True)
        time.sleep(30)
    except KeyboardInterrupt:
        print("saved", flush=True)
        raise
stand_in.fit = fit
sys.modules["curate.training.fit"] = stand_in
from curate.cli import main
main()
"""


FORKER = """
import os, signal, time
from curate.cli.process import command_errors
with command_errors():
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, b"!")
            time.sleep(30)
        except BaseException:
            os._exit(99)
        os._exit(98)
    os.read(reader, 1)  # CPython drops signals that come while it forks
    os.kill(child, signal.SIGTERM)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]))
"""


def start(code, *args, **options):
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        **options,
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError, 2),
        (ConfigError, 2),
        (CurateError, 1),
        (DataError, 1),
        (LabelError, 1),
        (StoreError, 1),
        (RunError, 1),
        (KeyboardInterrupt, 130),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_error_becomes_one_message_and_an_exit_code(run, workflow, error, code, flags):
    workflow("training.fit", "fit", error("7 [bold]apples[/bold] seen"))
    done = run("fit", *flags)
    assert done.exit_code == code
    assert done.stdout == ""
    told = "interrupted." if error is KeyboardInterrupt else "7 [bold]apples[/bold] seen"
    assert done.stderr == f"error: {told}\n"


def test_long_message_is_not_wrapped(run, workflow):
    workflow("training.fit", "fit", DataError("word " * 100 + "end"))
    assert run("fit").stderr == "error: " + "word " * 100 + "end\n"


def test_bug_keeps_its_traceback():
    code = SLEEPER.replace("time.sleep(30)", "1 / 0")
    process = start(code, "fit")
    _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert told.startswith("Traceback (most recent call last):")
    assert told.rstrip().endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_stop_signal_lets_the_work_be_saved_and_ends_with_130(name):
    process = start(SLEEPER, "fit")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, name))
    out, told = process.communicate(timeout=30)
    hint = "error: interrupted. Go on with:\n  curate fit --resume\n"
    assert (process.returncode, out, told) == (130, "saved\n", hint)


@pytest.mark.parametrize("own", [None, "GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_waiting_threads_sleep_unless_somebody_said_otherwise(own):
    code = (
        "import os, sys; sys.argv = ['curate', '--version']\n"
        "from curate.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)\n"
    )
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    env = {k: v for k, v in os.environ.items() if k not in names} | ({own: "ACTIVE"} if own else {})
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    expected = {None: "10000", "GOMP_SPINCOUNT": "ACTIVE"}.get(own)
    assert done.stdout.splitlines()[-1] == f"{expected} False"


def test_nobody_waits_while_the_interpreter_looks_for_garbage_at_the_end():
    code = (
        "import gc, sys; sys.argv = ['curate', '--version']\n"
        "from curate.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(gc.get_freeze_count() > 10_000)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"


def test_hangup_is_ignored_under_nohup():
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + SLEEPER
    process = start(code.replace("sleep(30)", "sleep(0.5)"), "fit")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    _, told = process.communicate(timeout=30)
    assert "interrupted" not in told


def test_forked_worker_just_ends_on_sigterm():
    process = start(FORKER)
    out, told = process.communicate(timeout=30)
    assert (process.returncode, out, told) == (0, f"{int(signal.SIGTERM)}\n", "")


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with command_errors():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_warnings_of_the_library_reach_stderr_once(run, workflow):
    def warn(*args, **kwargs):
        logging.getLogger("curate.somewhere").warning("disk is %s", "slow")
        logging.getLogger("curate.somewhere").info("not shown")
        raise RunError

    workflow("training.fit", "fit", warn)
    run("fit")
    assert run("fit").stderr == "warning: disk is slow\nerror: \n"


@pytest.mark.parametrize(
    ("rank", "reports", "error", "told"),
    [
        (1, False, RunError("lost"), ""),
        (1, True, RunError("lost"), "error: lost\n"),
        (0, False, RunError("lost"), ""),
        (1, True, KeyboardInterrupt(), ""),
        (0, False, KeyboardInterrupt(), "error: interrupted.\n"),
    ],
)
def test_of_a_job_one_process_says_why_it_ends(
    run, workflow, monkeypatch, rank, reports, error, told
):
    monkeypatch.setattr("curate.job.this_process", lambda: World(rank, 2, rank))
    monkeypatch.setattr("curate.distributed.claim_failure", lambda: reports)
    workflow("training.fit", "fit", error)
    done = run("fit")
    assert done.exit_code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert done.stderr == told


def test_other_processes_of_a_job_show_neither_progress_nor_warnings(run, workflow, monkeypatch):
    monkeypatch.setattr("curate.cli.progress.this_process", lambda: World(1, 2, 1))
    failure = RunError("seen nowhere else")

    def fit(config, *, reporter, **options):
        reporter.start("fit", 2)
        reporter.advance(1)
        reporter.warn("only the first says this")
        logging.getLogger("curate.somewhere").warning("and this")
        reporter.finish()
        raise failure

    workflow("training.fit", "fit", fit)
    assert run("fit").stderr == "error: seen nowhere else\n"


MEMORY_USER = """
import ctypes, resource
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # no huge pages: how many there are is chance
import numpy as np
from curate.cli.process import keep_memory
if {keeps}:
    keep_memory()

def page_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

np.ones(2**23)
before = page_faults()
for _ in range(10):
    np.ones(2**23)
print(page_faults() - before)
"""


def count_page_faults(*, keeps, **variables):
    """Pages that the system provides while 64 MiB are asked for and freed ten times."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_USER.format(keeps=keeps)],
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc"
)
def test_freed_memory_is_used_again_without_the_system():
    plain = count_page_faults(keeps=False)
    assert count_page_faults(keeps=True) < plain / 4
    assert count_page_faults(keeps=True, MALLOC_ARENA_MAX="4") > plain / 2  # the person decides


def python(code, *args, **options):
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | options.pop("env", {})
    return subprocess.run(
        [sys.executable, *(code and ["-c", code]), *args],
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        check=False,
        **options,
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(36, "File name too long", "x" * 300), "cannot use xxx.*Use a shorter name"),
        (FileNotFoundError(2, "No such file or directory"), "cannot use the working folder: No"),
        (MemoryError(), "the memory is used up"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9"), "the memory is used up"),
        (RuntimeError("CUDA out of memory. Tried to"), "the memory is used up"),
        (UnicodeEncodeError("utf-8", "a\udcff", 1, 2, "no"), "'.+udcff' is part of a name"),
    ],
)
def test_what_the_system_refuses_is_no_bug(run, workflow, error, message):
    workflow("training.fit", "fit", error)
    done = run("fit")
    assert (done.exit_code, done.stdout) == (1, "")
    assert re.fullmatch(rf"error: {message}.*\n", done.stderr)


def test_error_of_a_library_that_is_no_systems_error_keeps_its_traceback(run, workflow):
    workflow("training.fit", "fit", OSError("cannot identify image file"))
    assert isinstance(run("fit").exception, OSError)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_help_on_a_full_disk_is_one_message():
    with Path("/dev/full").open("w") as full:
        done = python("", "-m", "curate", "--help", stdout=full)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: cannot write to stdout: No space left")


def test_working_folder_that_is_gone_is_one_message(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os; os.rmdir({str(gone)!r}); from curate.cli import main; main()"
    done = python(code, "export-subset", "--top", "30%", cwd=gone)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "cannot use the working folder" in done.stderr


@pytest.mark.slow
def test_locale_without_utf8_is_told(tmp_path):
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    write_dataset(tmp_path / "s", 2, is_flat=True, seed=1)
    for folder in ("images", "labels"):
        (tmp_path / "s" / folder / "000.png").rename(tmp_path / "s" / folder / "Straße.png")
    done = python("", "-m", "curate", "init", "--real", "s", cwd=tmp_path, env=env)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or "set LC_ALL=C.UTF-8" in done.stderr


def test_output_at_a_url_is_refused_where_a_command_writes_to_disks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (
        ["show", "w.h5", "one", "-o", "s3://b/x.png"],
        ["audit", "--out", "s3://b/x.csv"],
    ):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 2
        assert "--out s3://b/x" in result.stderr
        assert "written to a disk" in result.stderr
    assert list(tmp_path.iterdir()) == []
