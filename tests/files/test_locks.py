from __future__ import annotations

import errno
import fcntl
import subprocess
import sys

import pytest

from curate.files.locks import Lock


@pytest.mark.parametrize("make", ["touch", "mkdir"])
def test_a_second_lock_is_refused_until_the_first_is_given_back(tmp_path, make):
    path = tmp_path / "a"
    getattr(path, make)()
    with Lock(path) as first:
        assert first.is_ours is True
        assert Lock(path).is_ours is False
    assert Lock(path).is_ours is True


def test_lock_dies_with_its_process(tmp_path):
    path = tmp_path / "a"
    path.touch()
    program = (
        "import sys; from pathlib import Path; from curate.files.locks import Lock;"
        "lock = Lock(Path(sys.argv[1])); print(lock.is_ours, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"True\n"
        assert Lock(path).is_ours is False
        holder.kill()
    assert Lock(path).is_ours is True


def test_disk_without_locks_is_told_from_a_held_lock(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    assert Lock(tmp_path).is_ours is None


def test_lock_on_what_was_replaced_meanwhile_is_not_ours(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.touch()
    flock = fcntl.flock

    def replace_first(*arguments):
        (tmp_path / "b").touch()
        (tmp_path / "b").replace(path)
        return flock(*arguments)

    monkeypatch.setattr(fcntl, "flock", replace_first)
    assert Lock(path).is_ours is False


def test_nothing_to_lock_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path / "a")
