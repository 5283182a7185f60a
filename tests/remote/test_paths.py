import os
import pickle
from pathlib import Path

import pytest

from curate.config import load_config
from curate.errors import UsageError
from curate.remote.paths import RemotePath, as_path, real_path, scandir
from tests.remote.making import memory as memory


def test_url_stays_one_through_joins_pickles_and_paths():
    path = as_path("s3://bucket/set") / "images" / "1.png"
    assert str(path) == os.fspath(path) == "s3://bucket/set/images/1.png"
    assert [str(each) for each in path.parents] == [
        "s3://bucket/set/images",
        "s3://bucket/set",
        "s3://bucket",
    ]
    copy = pickle.loads(pickle.dumps(path))
    assert (type(copy), copy) == (RemotePath, path)
    assert as_path(Path("s3://bucket/set")) == as_path("s3://bucket/set")
    assert path.absolute() is path.resolve() is real_path(path) is path


def test_local_paths_stay_what_they_are(tmp_path):
    assert type(as_path("data/s3")) is type(as_path(Path("s3"))) is type(Path())
    (tmp_path / "link").symlink_to(tmp_path)
    assert real_path(tmp_path / "link") == tmp_path.resolve()


def test_folders_and_files_are_told_apart(memory):
    memory.pipe_file("/bucket/set/images/1.png", b"12345")
    memory.pipe_file("/bucket/set/notes.txt", "é".encode())
    root = as_path("memory://bucket/set")
    assert root.list_below()
    assert [(root / name).is_dir() for name in ("images", "notes.txt", "other")] == [
        True,
        False,
        False,
    ]
    assert (root / "images/1.png").is_file()
    assert not (root / "images/2.png").exists()
    assert (root / "images/1.png").stat().st_size == 5
    with scandir(root) as entries:
        assert {e.name: (e.is_dir(), e.is_file()) for e in entries} == {
            "images": (True, False),
            "notes.txt": (False, True),
        }
    assert (root / "notes.txt").read_text() == "é"


def test_content_is_read_whole_and_in_pieces(memory, monkeypatch):
    monkeypatch.setattr("curate.remote.client.PIECE_BYTES", 7)
    content = bytes(range(100))
    memory.pipe_file("/bucket/set/one", content)
    path = as_path("memory://bucket/set/one")
    assert path.read_bytes() == content  # not listed
    assert as_path("memory://bucket/set").list_below()
    assert path.read_bytes() == content
    with path.open("rb") as file:
        file.seek(10)
        assert file.read(30) == content[10:40]
        file.seek(-3, os.SEEK_END)
        assert file.read() == content[-3:]
    with pytest.raises(UsageError, match="is read, not written"):
        path.open("wb")


def test_changed_content_has_another_time(memory):
    memory.pipe_file("/bucket/one", b"1")
    from curate.remote import tree

    before = as_path("memory://bucket/one").stat()
    tree.forget()
    memory.pipe_file("/bucket/one", b"2")
    after = as_path("memory://bucket/one").stat()
    assert before.st_mtime_ns != after.st_mtime_ns


@pytest.mark.parametrize("url", ["https://me:secret@h/x", "https://h/x?token=secret"])
def test_url_with_a_secret_is_refused_without_showing_it(url):
    with pytest.raises(UsageError, match="password or a signature") as error:
        as_path(Path(url))
    assert "secret" not in str(error.value)


def test_urls_in_curate_toml_are_not_joined_to_its_folder(tmp_path):
    (tmp_path / "curate.toml").write_text(
        '[[synthetic]]\npath = "s3://bucket/set"\n[[real]]\npath = "real"\n'
    )
    config = load_config(tmp_path / "curate.toml")
    assert str(config.synthetic[0].path) == "s3://bucket/set"
    assert config.real[0].path == tmp_path / "real"
    assert config.synthetic[0].called == "set"
    again = type(config).model_validate_json(config.model_dump_json())
    assert again.synthetic[0].path == config.synthetic[0].path
    assert type(again.synthetic[0].path) is RemotePath
