import json

import pytest

from curate.checking.facts import Facts, Stamp
from curate.checking.memory import Memory

STAMP = Stamp(10, 11, 12, 13)


def seen(name, **values):
    return Facts(f"images/{name}.png", f"labels/{name}.png", STAMP, ids={0: 3, 7: 1}, **values)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def recall(memory, name="a", stamp=STAMP, *, is_deep=False):
    return memory.recall(f"images/{name}.png", f"labels/{name}.png", stamp, is_deep=is_deep)


def test_what_was_kept_comes_back_equal(tmp_path, root):
    kept = seen("a", colours={"#ff0000": 2}, palette={7: "#000001"}, spread=2.5)
    Memory(tmp_path, root).keep([kept])
    assert recall(Memory(tmp_path, root)) == kept


def test_changed_file_is_not_recalled(tmp_path, root):
    memory = Memory(tmp_path, root)
    memory.keep([seen("a")])
    assert recall(memory, stamp=STAMP._replace(label_ns=14)) is None


def test_light_look_does_not_stand_for_a_deep_one(tmp_path, root):
    memory = Memory(tmp_path, root)
    memory.keep([seen("a")])
    assert recall(memory, is_deep=True) is None
    memory.keep([seen("a", is_deep=True)])
    assert recall(memory, is_deep=True) is not None


def test_torn_line_costs_itself_only(tmp_path, root):
    memory = Memory(tmp_path, root)
    memory.keep([seen("a"), seen("b")])
    memory.path.write_bytes(memory.path.read_bytes()[:-9])
    again = Memory(tmp_path, root)
    assert recall(again) is not None
    assert recall(again, "b") is None
    again.keep([seen("c")])
    assert recall(Memory(tmp_path, root), "c") is not None


@pytest.mark.parametrize("line", ['{"image_path": 3}', "[]", "null", '{"a": "\\ud800"}', "\x00"])
def test_foreign_lines_are_not_believed(tmp_path, root, line):
    memory = Memory(tmp_path, root)
    memory.keep([seen("a")])
    memory.path.write_text(line + "\n" + memory.path.read_text())
    assert recall(Memory(tmp_path, root)) is not None


def test_link_in_place_of_the_file_is_neither_read_nor_written(tmp_path, root):
    other = tmp_path / "other"
    other.write_text("precious")
    memory = Memory(tmp_path, root)
    memory.path.parent.mkdir()
    memory.path.symlink_to(other)
    again = Memory(tmp_path, root)
    again.keep([seen("a")])
    assert other.read_text() == "precious"


def test_link_in_place_of_the_folder_is_not_followed(tmp_path, root):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".curate").symlink_to(tmp_path / "elsewhere")
    memory = Memory(tmp_path, root)
    memory.keep([seen("a")])
    memory.tidy([])
    assert recall(memory) is not None
    assert not list((tmp_path / "elsewhere").iterdir())


def test_folder_that_cannot_be_written_is_no_error(tmp_path, root):
    (tmp_path / ".curate").write_text("a file where the folder would be")
    memory = Memory(tmp_path, root)
    memory.keep([seen("a")])
    assert recall(memory) is not None


def test_stale_lines_are_swept_when_they_are_most(tmp_path, root):
    memory = Memory(tmp_path, root)
    for number in range(6):
        memory.keep([seen("a", spread=float(number))])
    memory.tidy([seen("a", spread=5.0)])
    lines = memory.path.read_text().splitlines()
    assert [json.loads(line)["spread"] for line in lines] == [5.0]


def test_two_sets_have_two_files(tmp_path):
    paths = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        paths.add(Memory(tmp_path, tmp_path / name).path)
    (tmp_path / "link").symlink_to(tmp_path / "one")
    paths.add(Memory(tmp_path, tmp_path / "link").path)
    assert len(paths) == 2
