from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from curate.errors import DataError, StoreError
from curate.files.atomic import (
    _host,
    check_writable,
    create_file,
    remove_stale,
    replacing,
    replacing_folder,
    sha256_file,
    write_bytes,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_half(path, error):
    with replacing(path) as partial:
        partial.write_text("half")
        raise error


def fill_half(path):
    with replacing_folder(path) as partial:
        (partial / "half").touch()
        raise KeyboardInterrupt


def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [DataError("broken"), KeyboardInterrupt()])
def test_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(error)):
        write_half(path, error)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "a.txt: No space left on device. Free some space"),
        (errno.EACCES, "Permission denied. Change its permissions"),
        (errno.EROFS, "mounted read-only"),
        (errno.EIO, "the disk reports a fault|The disk reports a fault"),
        (errno.ENAMETOOLONG, "Use a shorter name"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_disk_errors_say_path_cause_and_what_to_do(tmp_path, monkeypatch, number, text, call):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), fail)
    with pytest.raises(StoreError, match=text), replacing(path) as partial:
        partial.write_text("new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def aside(name, role="partial", pid=None, host=None):
    """Name what a process with this number leaves aside."""
    return f".{name}.{role}-{pid or dead_pid()}-{host or _host()}-0123abcd"


@pytest.mark.parametrize("name", ["a.txt", "b.txt"])
def test_what_nobody_holds_is_removed_whoever_has_the_process_number_now(tmp_path, name):
    (tmp_path / aside(name)).touch()
    (tmp_path / aside(name, pid=os.getppid())).touch()
    (tmp_path / aside(name, host="00000000")).mkdir()
    write_bytes(tmp_path / "a.txt", b"new")
    assert names(tmp_path) == ["a.txt"]


def test_what_a_living_process_works_on_is_kept(tmp_path):
    with replacing(tmp_path / "a.txt") as first, replacing_folder(tmp_path / "d") as folder:
        (folder / "half").touch()
        remove_stale(tmp_path / "a.txt")
        write_bytes(tmp_path / "a.txt", b"second")
        assert names(tmp_path) == sorted([first.name, folder.name, "a.txt"])
        first.write_text("first")
    assert (tmp_path / "a.txt").read_text() == "first"
    assert names(tmp_path / "d") == ["half"]


def test_names_that_only_look_alike_are_kept(tmp_path):
    alike = [".a.txt.partial-1", ".a.txt.partial-x-00000000-00000000", "a.partial-1-0-0"]
    for name in alike:
        (tmp_path / name).touch()
    write_bytes(tmp_path / "a.txt", b"new")
    assert names(tmp_path) == sorted(["a.txt", *alike])


def test_without_locks_only_what_a_dead_process_of_this_host_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("curate.files.locks.try_lock", lambda _: None)
    dead, alive = aside("a.txt"), aside("a.txt", pid=os.getppid())
    elsewhere = aside("a.txt", host="00000000")
    for name in (dead, alive, elsewhere):
        (tmp_path / name).touch()
    write_bytes(tmp_path / "a.txt", b"new")
    assert names(tmp_path) == sorted(["a.txt", alive, elsewhere])


def test_neighbour_that_is_cleared_up_before_it_is_locked_is_made_anew(tmp_path, monkeypatch):
    touch, touched = Path.touch, []

    def lose_the_first(self, **options):
        touch(self, **options)
        touched.append(self)
        if len(touched) == 1:
            self.unlink()

    monkeypatch.setattr(Path, "touch", lose_the_first)
    write_bytes(tmp_path / "a.txt", b"new")
    assert len(touched) == 2
    assert names(tmp_path) == ["a.txt"]


def test_symbolic_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "a")
    with replacing(tmp_path / "link") as partial:
        partial.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "a").read_text() == "new"


def test_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "d"
    for text in ("old", "new"):
        with replacing_folder(path) as partial:
            (partial / text).touch()
    assert names(path) == ["new"]
    assert names(tmp_path) == ["d"]


@pytest.mark.parametrize(("written", "forced"), [(None, {"a", "b", "sub/c"}), (["b"], {"b"})])
def test_content_that_was_written_and_all_folders_are_forced_to_the_disk(
    tmp_path, monkeypatch, written, forced
):
    seen = []
    monkeypatch.setattr("curate.files.atomic._sync", seen.append)
    partials = []
    names = None if written is None else partials
    with replacing_folder(tmp_path / "d", written=names) as partial:
        (partial / "sub").mkdir()
        for name in ("a", "b", "sub/c"):
            (partial / name).touch()
        (partial / "link").symlink_to("a")
        partials += [partial / name for name in written or ()]
    assert set(seen[:-1]) == {
        partial, partial / "sub", *(partial / name for name in forced)
    }  # fmt: skip
    assert seen[-1] == tmp_path


def test_interrupted_folder_leaves_the_old_one(tmp_path):
    path = tmp_path / "d"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(KeyboardInterrupt):
        fill_half(path)
    assert names(path) == ["old"]
    assert names(tmp_path) == ["d"]


def test_folder_comes_back_if_it_cannot_be_swapped(tmp_path, monkeypatch):
    path = tmp_path / "d"
    path.mkdir()
    (path / "old").touch()
    rename = Path.rename

    def fail_once(self, target):
        if ".partial-" in self.name:
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(StoreError, match="Input/output"), replacing_folder(path):
        pass
    assert names(path) == ["old"]
    assert names(tmp_path) == ["d"]


def test_folder_set_aside_by_a_killed_process_comes_back(tmp_path):
    previous = tmp_path / aside("d", "previous")
    previous.mkdir()
    (previous / "old").touch()
    with pytest.raises(KeyboardInterrupt), replacing_folder(tmp_path / "d"):
        raise KeyboardInterrupt
    assert names(tmp_path) == ["d"]
    assert names(tmp_path / "d") == ["old"]


@pytest.mark.parametrize("after", ["previous", "d"])
def test_interruption_while_folders_are_swapped_leaves_one_of_them(tmp_path, monkeypatch, after):
    path = tmp_path / "d"
    path.mkdir()
    (path / "old").touch()
    rename, interrupted = Path.rename, []

    def interrupt(self, target):
        rename(self, target)
        if f".{after}-" in f".{Path(target).name}-" and not interrupted:
            interrupted.append(target)
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt), replacing_folder(path) as partial:
        (partial / "new").touch()
    monkeypatch.undo()
    assert names(path) == ["old" if after == "previous" else "new"]
    remove_stale(path)
    assert names(tmp_path) == ["d"]


def test_folder_that_came_meanwhile_is_not_replaced_unasked(tmp_path):
    path = tmp_path / "d"

    def lose_the_race():
        with replacing_folder(path, overwrite=False):
            path.mkdir()
            (path / "theirs").touch()

    with pytest.raises(StoreError, match=r"d: Directory not empty.* is there already"):
        lose_the_race()
    assert names(path) == ["theirs"]
    assert names(tmp_path) == ["d"]


def test_unwritable_folder_is_told_early(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write to .*file"):
        check_writable(tmp_path / "file" / "sub")

    def fail(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "touch", fail)
    with pytest.raises(StoreError, match=r"cannot write to .*Permission denied"):
        check_writable(tmp_path)


def test_writable_folder_is_made_and_left_empty(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert names(tmp_path / "a" / "b") == []


@pytest.mark.parametrize("exist_ok", [False, True])
def test_new_file_is_never_written_through_a_link(tmp_path, exist_ok):
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    with pytest.raises(StoreError, match=r"cannot write .*link: "):
        create_file(tmp_path / "link", b"x", exist_ok=exist_ok)
    assert names(tmp_path) == ["link"]


def test_new_file_leaves_what_is_there(tmp_path):
    create_file(tmp_path / "a", b"first")
    with pytest.raises(StoreError, match="File exists"):
        create_file(tmp_path / "a", b"second")
    create_file(tmp_path / "a", exist_ok=True)
    assert (tmp_path / "a").read_bytes() == b"first"


def test_checksum_of_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="no ordinary file"):
        sha256_file(tmp_path / "pipe")
