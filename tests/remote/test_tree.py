import pytest

from curate.remote import tree
from tests.remote.making import memory as memory


def test_listing_is_made_once_and_anew_when_old(memory, monkeypatch):
    memory.pipe_file("/bucket/set/a/1", b"1")
    found = tree.list_below("memory://bucket/set")
    memory.pipe_file("/bucket/set/a/2", b"22")
    assert tree.list_below("memory://bucket/set") is found
    with pytest.raises(FileNotFoundError):
        tree.look_up("memory://bucket/set/a/2")
    monkeypatch.setattr(tree, "MAX_AGE_S", -1.0)
    tree.list_below("memory://bucket/set")
    assert tree.look_up("memory://bucket/set/a/2").size == 2


def test_folders_follow_from_the_names_of_objects(memory):
    memory.pipe_file("/bucket/set/a/b/1", b"1")
    tree.list_below("memory://bucket/set")
    assert tree.entries("memory://bucket/set") == {"a": tree.FOLDER}
    assert tree.look_up("memory://bucket/set/a/b") is tree.FOLDER
    assert tree.look_up("memory://bucket") is tree.FOLDER
    assert list(tree.entries("memory://bucket/set/a/b")) == ["1"]
    with pytest.raises(FileNotFoundError):
        tree.entries("memory://bucket/set/c")


def test_set_whose_name_begins_alike_is_another(memory):
    memory.pipe_file("/bucket/set/1", b"1")
    memory.pipe_file("/bucket/set2/1", b"1")
    tree.list_below("memory://bucket/set")
    assert not tree.is_listed("memory://bucket/set2/1")
    assert tree.look_up("memory://bucket/set2/1").size == 1


def test_nothing_below_a_url_is_an_empty_listing(memory):
    assert tree.list_below("memory://bucket/none").folders == {}
