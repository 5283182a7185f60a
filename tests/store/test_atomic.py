from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from curate.errors import DataError, StoreError
from curate.store.atomic import check_writable, replacing, replacing_folder


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


def test_leftovers_of_dead_processes_are_removed_and_those_of_living_ones_kept(tmp_path):
    dead, alive = f".a.txt.partial-{dead_pid()}", f".a.txt.partial-{os.getppid()}"
    for name in (dead, alive, ".b.txt.partial-1", ".a.txt.partial-x"):
        (tmp_path / name).touch()
    with replacing(tmp_path / "a.txt") as partial:
        partial.touch()
    assert names(tmp_path) == sorted(["a.txt", alive, ".b.txt.partial-1", ".a.txt.partial-x"])


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
    monkeypatch.setattr("curate.store.atomic._sync", seen.append)
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
    previous = tmp_path / f".d.previous-{dead_pid()}"
    previous.mkdir()
    (previous / "old").touch()
    with pytest.raises(KeyboardInterrupt), replacing_folder(tmp_path / "d"):
        raise KeyboardInterrupt
    assert names(tmp_path) == ["d"]
    assert names(tmp_path / "d") == ["old"]


def test_unwritable_folder_is_told_early(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write to .*file"):
        check_writable(tmp_path / "file" / "sub")

    def fail(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", fail)
    with pytest.raises(StoreError, match=r"cannot write to .*Permission denied"):
        check_writable(tmp_path)


def test_writable_folder_is_made_and_left_empty(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert names(tmp_path / "a" / "b") == []
