"""A process that has imported everything, and forks a `curate` command for each order it reads.

Orders and answers are JSON, one a line, on stdin and stdout. A command runs in a process group of
its own, as one does that a shell starts; its faults come from its environment, see ``shim.c``.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import runpy
import signal
import sys
import time
import traceback
from pathlib import Path

import torch

MAX_SECONDS = 120
WARM = (
    "curate.cli.app", "curate.selection.export", "curate.training.fit", "curate.scoring.score",
    "pandas.io.formats.csvs", "PIL.ImageFile", "pyarrow.dataset", "pyarrow.pandas_compat",
    "pydantic.type_adapter", "rich.console", "scipy.sparse", "skimage.measure",
    "skimage.segmentation", "tests.tiny",
)  # fmt: skip
"""What the commands import, some of it late: imported once, it costs no command anything."""


def start(order):
    """Fork a command; return its process id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = run(order)
    except BaseException:  # noqa: BLE001 (whatever it is, this process ends here)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(order):
    """Be the command."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for name, number in (("out", 1), ("err", 2)):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(order["cwd"])
    group = {"group": -os.getpid(), "process": os.getpid()}
    os.environ.update(order["environment"])
    os.environ["FAULT_TARGET"] = str(group[order["target"]])
    ctypes.CDLL(order["shim"]).fault_arm()
    sys.argv = ["curate", *order["arguments"]]
    try:
        runpy.run_module("curate", run_name="__main__", alter_sys=True)
    except SystemExit as leaving:
        return leaving.code or 0
    return 0


def wait(pid):
    """Wait for a command; return its exit code, minus a signal's number, or "hangs"."""
    deadline = time.monotonic() + MAX_SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hangs"


def serve():
    """Answer orders until there are no more."""
    for name in WARM:
        importlib.import_module(name)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    here = Path.cwd()
    for line in sys.stdin:
        order = json.loads(line)
        answer = start(order) if "arguments" in order else wait(order["wait"])
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()
        os.chdir(here)


if __name__ == "__main__":
    serve()
