from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch.utils.data import Dataset

from curate.data.workers import load_ahead, worker_errors
from curate.errors import RunError

KILL, PROCESS = -1, -2
"""Keys that end the process that reads them, and that ask for what it is like."""

LASTING = """
import itertools, os, torch
from curate.data.workers import load_ahead
class Pids:
    def __getitem__(self, key):
        return torch.tensor([os.getpid(), os.getppid()])
if __name__ == "__main__":
    items = load_ahead(Pids(), itertools.count(), workers=2)
    print(*next(items).tolist(), *next(items).tolist(), flush=True)
    for _ in items:
        pass
"""
"""Prints the processes of its workers, and of what started them, and reads on."""

IMPORTED = """
import sys, time
if sys.argv[0] == "-c":  # not where it was asked for
    print("imports", flush=True)
    time.sleep(60)
class Keys:
    def __getitem__(self, key):
        return key
"""
INTERRUPTED = """
import lasting
from curate.data.workers import load_ahead
if __name__ == "__main__":
    try:
        list(load_ahead(lasting.Keys(), [1], workers=1))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


class Doubled(Dataset):
    """Two times the key, and what the tests must know of the process."""

    def __getitem__(self, key):
        if key == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if key == PROCESS:
            return os.getpid(), torch.get_num_threads(), signal.getsignal(signal.SIGINT)
        return 2 * key


def test_items_come_in_the_order_of_the_keys():
    for workers in (0, 2):
        assert list(load_ahead(Doubled(), [3, 1, 2, 1, 0], workers=workers)) == [6, 2, 4, 2, 0]


def test_keys_may_be_without_end():
    items = load_ahead(Doubled(), itertools.count(), workers=0)
    assert list(itertools.islice(items, 3)) == [0, 2, 4]
    items.close()


def test_worker_is_another_process_with_one_thread_that_leaves_ctrl_c_to_the_main_one(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    ((pid, num_threads, handler),) = load_ahead(Doubled(), [PROCESS], workers=1)
    assert pid != os.getpid()
    assert num_threads == 1
    assert handler is signal.SIG_IGN


def test_signals_are_let_through_again_once_workers_are_started():
    assert next(load_ahead(Doubled(), [1, 2], workers=1)) == 2
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert not blocked & {signal.SIGINT, signal.SIGTERM}


@pytest.mark.slow
def test_killed_worker_is_an_error_that_says_what_to_do():
    message = r"for want of memory.*--resume, and with fewer --workers"
    with pytest.raises(RunError, match=message), worker_errors():
        list(load_ahead(Doubled(), [1, KILL], workers=1))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
def test_nothing_is_left_of_a_killed_process(tmp_path):
    script = tmp_path / "reads.py"
    script.write_text(LASTING)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as main:
        pids = main.stdout.readline().split()
        time.sleep(0.5)
        main.kill()
    assert len(set(pids)) == 3
    until = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_ctrl_c_is_not_kept_waiting_by_what_workers_import(tmp_path):
    (tmp_path / "lasting.py").write_text(IMPORTED)
    script = tmp_path / "reads.py"
    script.write_text(INTERRUPTED)
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env=os.environ | {"PYTHONPATH": f"{tmp_path}:{Path.cwd()}"},
    ) as main:  # fmt: skip
        try:
            assert main.stdout.readline() == "imports\n"
            os.killpg(main.pid, signal.SIGINT)
            assert main.wait(20) == 0
        finally:
            os.killpg(main.pid, signal.SIGKILL)
        assert main.communicate() == ("interrupted\n", "")


def test_other_errors_stay_what_they_are():
    bug = RuntimeError("a bug")
    with pytest.raises(RuntimeError) as caught, worker_errors():
        raise bug
    assert caught.value is bug


@pytest.mark.parametrize(("free_mib", "is_here"), [(255, True), (256, False)])
def test_little_shared_memory_is_told_and_done_without(monkeypatch, caplog, free_mib, is_here):
    monkeypatch.setattr("curate.data.workers._shared_free", lambda: free_mib << 20)
    ((pid, *_),) = load_ahead(Doubled(), [PROCESS], workers=2)
    assert (pid == os.getpid()) is is_here
    told = "/dev/shm has 255 MiB free, but 2 processes that read need 256" in caplog.text
    assert told is is_here


SCRIPT = """
from curate.data.workers import load_ahead
from curate.errors import UsageError
from tests.data.test_workers import Doubled

def work():
    print(list(load_ahead(Doubled(), [1, 2], workers=1)))

{guard}
    {line}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("guard", "expected"),
    [
        ("if __name__ == '__main__':", "[2, 4]\n"),
        ("if True:", "asks for work in several processes, each of which would run the script"),
    ],
)
def test_script_without_guard_is_told_before_any_process_starts(tmp_path, guard, expected):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(guard=guard, line="work()"))
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, path], env=env, capture_output=True, text=True)
    told = done.stdout if done.returncode == 0 else done.stderr
    assert expected in told
    assert done.stderr.count("line 10 of ") == (done.returncode != 0)
