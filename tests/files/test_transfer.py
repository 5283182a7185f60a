from pathlib import Path

import pytest

from curate.errors import StoreError, UsageError
from curate.files import transfer
from curate.remote.paths import as_path
from tests.remote.making import memory as memory


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "curate"


def test_local_paths_are_passed_through(tmp_path):
    assert transfer.fetch(tmp_path) is tmp_path
    with transfer.staged(tmp_path) as path:
        assert path is tmp_path


def test_remote_file_is_copied_once_a_version(memory, cache):
    memory.pipe_file("/bucket/one.h5", b"first")
    url = as_path("memory://bucket/one.h5")
    first = transfer.fetch(url)
    assert (first.name, first.read_bytes()) == ("one.h5", b"first")
    inode = first.stat().st_ino
    assert transfer.fetch(url).stat().st_ino == inode
    memory.pipe_file("/bucket/one.h5", b"other")
    from curate.remote import tree

    tree.forget()
    assert transfer.fetch(url).read_bytes() == b"other"
    assert not first.exists()  # one version is kept


def test_folder_is_copied_whole_in_pieces(memory, monkeypatch):
    monkeypatch.setattr("curate.remote.client.PIECE_BYTES", 7)
    content = bytes(range(200))
    memory.pipe_file("/bucket/run/weights", content)
    memory.pipe_file("/bucket/run/deep/er", b"")
    path = transfer.fetch(as_path("memory://bucket/run"))
    assert (path / "weights").read_bytes() == content
    assert (path / "deep/er").read_bytes() == b""


def test_what_is_missing_is_an_error_that_names_it(memory):
    with pytest.raises(StoreError, match="memory://bucket/none does not exist"):
        transfer.fetch(as_path("memory://bucket/none"))


def test_nothing_is_seen_before_all_is_there_and_the_first_place_comes_last(memory, monkeypatch):
    sent = []
    upload = transfer._upload
    monkeypatch.setattr(transfer, "_upload", lambda s, t: (sent.append(t.name), upload(s, t)))

    def places(path):
        return [path, path.with_name("w.images"), path.with_name("w.regions")]

    out = as_path("memory://bucket/w.h5")
    with transfer.staged(out, places) as path:
        for place in places(path):
            place.write_bytes(place.name.encode())
        assert not memory.exists("/bucket")
    assert sent == ["w.regions", "w.images", "w.h5"]
    assert memory.cat_file("/bucket/w.h5") == b"w.h5"
    assert not path.parent.exists()
    with pytest.raises(
        UsageError,
        match="exists: replace it with --overwrite, or name another; fit and score go on with",
    ):
        transfer.staged(out, places).__enter__()


def test_interrupted_work_stays_and_is_gone_on_with(memory):
    out = as_path("memory://bucket/run")

    def work():
        with transfer.staged(out, last="run.json", resume=True) as path:
            path.mkdir(exist_ok=True)
            is_second = (path / "half").exists()
            (path / "half").write_bytes(b"1")
            (path / "run.json").write_bytes(b"{}")
            if not is_second:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not memory.exists("/bucket/run")
    work()
    assert memory.cat_file("/bucket/run/half") == b"1"


def test_finished_work_is_fetched_to_go_on_with_and_what_has_no_successor_goes(memory):
    memory.pipe_file("/bucket/run/old", b"1")
    memory.pipe_file("/bucket/run/kept", b"1")
    with transfer.staged(as_path("memory://bucket/run"), resume=True) as path:
        assert (path / "old").read_bytes() == b"1"
        (path / "old").unlink()
        (path / "new").write_bytes(b"2")
    assert sorted(Path(p).name for p in memory.find("/bucket")) == ["kept", "new"]


def test_second_process_is_refused(memory):
    out = as_path("memory://bucket/w.h5")
    with (
        transfer.staged(out) as path,
        pytest.raises(StoreError, match=r"w\.h5 is in use by another process"),
        transfer.staged(out),
    ):
        pass
    assert not path.exists()


def test_upload_that_arrives_short_is_an_error(memory, monkeypatch):
    monkeypatch.setattr(type(memory), "put_file", lambda self, a, b, **_: self.pipe_file(b, b"1"))
    with (
        pytest.raises(StoreError, match="has 1 bytes, but 4 were sent"),
        transfer.staged(as_path("memory://bucket/w.h5")) as path,
    ):
        path.write_bytes(b"1234")
