"""An export of copies that is stopped anywhere goes on to the same subset."""

import errno
import os

import pytest

from curate.errors import StoreError
from curate.selection import placement
from curate.selection.export import export_subset
from curate.selection.kept_copies import KeptCopies, keep_copies
from tests.tiny import RecordingReporter


def tree(folder):
    """Map relative paths to contents."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def counted(monkeypatch):
    """Names of the originals that are copied; raises what `fail` says before that copy."""
    names, fail = [], {}
    genuine = placement.copy

    def copy(source, target):
        if len(names) in fail:
            raise fail.pop(len(names))
        names.append(source)
        genuine(source, target)

    monkeypatch.setattr(placement, "copy", copy)
    return names, fail


def export(scores, out, **options):
    return export_subset(scores, out=out, top="100%", media="copy", **options)


def test_an_interrupted_export_goes_on_with_what_it_copied(scores, tmp_path, counted):
    names, fail = counted
    export(scores, tmp_path / "whole")
    total = len(names)
    names.clear()
    fail[3] = KeyboardInterrupt()
    reporter = RecordingReporter()
    with pytest.raises(KeyboardInterrupt):
        export(scores, tmp_path / "out", reporter=reporter)
    assert "--resume" in reporter.warnings[-1]
    assert not (tmp_path / "out").exists()
    names.clear()
    export(scores, tmp_path / "out", resume=True)
    assert len(names) == total - 3
    found, expected = tree(tmp_path / "out"), tree(tmp_path / "whole")
    assert found.keys() == expected.keys()
    assert all(found[name] == expected[name] for name in found if "subset.json" not in name)
    assert not list(tmp_path.glob(".out*"))


def test_without_resume_everything_is_copied_anew(scores, tmp_path, counted):
    names, fail = counted
    fail[3] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        export(scores, tmp_path / "out")
    done = len(names)
    names.clear()
    export(scores, tmp_path / "out")
    assert done == 3
    assert len(names) == len([p for p in tree(tmp_path / "out") if p.endswith(".png")])


def test_nothing_stays_after_an_error(scores, tmp_path, counted):
    _, fail = counted
    fail[3] = OSError(errno.ENOSPC, "full")
    with pytest.raises(StoreError, match="full"):
        export(scores, tmp_path / "out")
    assert not list(tmp_path.glob(".out*"))


def put(folder, original, target):
    KeptCopies(folder).put(str(original), "a/b.png", str(target))


def test_a_copy_that_is_not_the_original_is_made_anew(tmp_path):
    original = tmp_path / "original"
    original.write_bytes(b"right")
    put(tmp_path, original, tmp_path / "one")
    (tmp_path / "one").unlink()
    (tmp_path / "files/a/b.png").write_bytes(b"wrong")
    put(tmp_path, original, tmp_path / "two")
    assert (tmp_path / "two").read_bytes() == b"right"


def test_what_is_at_the_target_is_not_replaced(tmp_path):
    for name in ("original", "target"):
        (tmp_path / name).write_text(name)
    with pytest.raises(FileExistsError):
        put(tmp_path, tmp_path / "original", tmp_path / "target")
    assert (tmp_path / "target").read_text() == "target"


def test_a_disk_without_hard_links_gets_a_second_copy(tmp_path, monkeypatch):
    (tmp_path / "original").write_text("content")

    def refuse(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    put(tmp_path, tmp_path / "original", tmp_path / "target")
    assert (tmp_path / "target").read_text() == "content"


@pytest.mark.parametrize("strange", ["link", "file", "folder"])
def test_what_curate_did_not_leave_is_not_touched(tmp_path, strange):
    place, mine = tmp_path / ".out.copies", tmp_path / "mine"
    mine.mkdir()
    (mine / "letter").write_text("dear")
    if strange == "link":
        place.symlink_to(mine)
    elif strange == "file":
        place.write_text("dear")
    else:
        mine.rename(place)
    before = tree(tmp_path)
    with (
        pytest.raises(StoreError, match="Move it away"),
        keep_copies(tmp_path / "out", resume=False, reporter=RecordingReporter()),
    ):
        pass
    assert tree(tmp_path) == before


def test_two_exports_to_one_folder_do_not_share_copies(tmp_path):
    reporter = RecordingReporter()
    with (
        keep_copies(tmp_path / "out", resume=False, reporter=reporter),
        pytest.raises(StoreError, match="in use"),
        keep_copies(tmp_path / "out", resume=True, reporter=reporter),
    ):
        pass
