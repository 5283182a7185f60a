from dataclasses import replace

import pytest

from curate import errors
from curate.checking import leave_out
from curate.checking.problems import make_problem
from curate.data.dataset import open_dataset
from curate.records import ClassSet
from curate.remote import as_path
from tests.checking import making


@pytest.fixture
def source(tmp_path):
    making.write_set(tmp_path / "set", 3, seed=0)
    return open_dataset(tmp_path / "set", classes=ClassSet("custom", making.CLASSES))


def statuses(source, path):
    found = leave_out.leave_out(source, leave_out.read_fix_list(path))
    return [pair.status for pair in found.pairs]


def test_written_list_leaves_its_files_out(source, tmp_path):
    problems = [
        make_problem("blank_image", "m", file="images/001.png", dataset=source.root),
        make_problem("near_duplicate", "m", file="images/001.png", dataset=source.root),
        make_problem("rotated", "m", file="images/002.png", dataset=source.root),
        make_problem("aspect_ratio", "m", dataset=source.root),
    ]
    path = tmp_path / "fixes.toml"
    assert leave_out.write_fix_list(path, problems) == 1
    assert statuses(source, path) == ["ok", "blank_image", "ok"]


def test_list_by_hand_needs_no_data_set(source, tmp_path):
    path = tmp_path / "fixes.toml"
    path.write_text('[[leave_out]]\nfile = "labels/002.png"\ncode = "wrong"\n')
    assert statuses(source, path) == ["ok", "ok", "wrong"]


def test_list_for_another_set_changes_nothing(source, tmp_path):
    path = tmp_path / "fixes.toml"
    entry = '[[leave_out]]\nfile = "images/002.png"\ncode = "x"\ndataset = "other"\n'
    path.write_text(entry + entry.replace("other", "set").replace("002", "000"))
    assert statuses(source, path) == ["x", "ok", "ok"]


def test_unknown_key_is_named(tmp_path):
    path = tmp_path / "fixes.toml"
    path.write_text('[[leave_out]]\nfiel = "a"\ncode = "b"\n')
    with pytest.raises(errors.ConfigError, match="fiel"):
        leave_out.read_fix_list(path)


def test_existing_list_is_left_alone(tmp_path):
    path = tmp_path / "fixes.toml"
    path.write_text("mine")
    with pytest.raises(errors.UsageError, match="--overwrite"):
        leave_out.refuse_existing(path, overwrite=False)
    path.write_text('[[leave_out]]\nfile = "a"\ncode = "b"\n')
    leave_out.refuse_existing(path, overwrite=True)


@pytest.mark.parametrize("content", ["mine", "[fit]\nsteps = 3\n", '[ids]\n0 = "sky"\n'])
def test_file_that_is_no_list_is_never_replaced(tmp_path, content):
    path = tmp_path / "curate.toml"
    path.write_text(content)
    with pytest.raises(errors.UsageError, match="is no list of what to leave out"):
        leave_out.refuse_existing(path, overwrite=True)


def test_list_moves_with_its_data_set(source, tmp_path):
    problems = [make_problem("duplicate", "m", file="images/001.png", dataset=source.root)]
    leave_out.write_fix_list(tmp_path / "fixes.toml", problems)
    moved = tmp_path.rename(tmp_path.parent / "elsewhere")
    source = open_dataset(moved / "set", classes=source.classes)
    assert statuses(source, moved / "fixes.toml") == ["ok", "duplicate", "ok"]


def test_list_for_a_data_set_at_a_url_is_read_back(source, tmp_path):
    far = replace(source, root=as_path("memory://bucket/set"))
    problems = [make_problem("duplicate", "m", file="images/001.png", dataset=far.root)]
    leave_out.write_fix_list(tmp_path / "fixes.toml", problems)
    assert statuses(far, tmp_path / "fixes.toml") == ["ok", "duplicate", "ok"]
    assert statuses(source, tmp_path / "fixes.toml") == ["ok", "ok", "ok"]


def test_names_that_look_the_same_are_the_same(source, tmp_path):
    pair = source.pairs[0]._replace(image_path="images/Ko\u0308ln.png")
    path = tmp_path / "fixes.toml"
    path.write_text('[[leave_out]]\nfile = "images/K\u00f6ln.png"\ncode = "x"\n', "utf-8")
    assert statuses(replace(source, pairs=(pair,)), path) == ["x"]
