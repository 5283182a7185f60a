from __future__ import annotations

import re
from pathlib import Path

import pytest

from curate.config import Config, load_config
from curate.errors import StoreError, UsageError
from curate.init import init


def make(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
    return folder


def camvid(folder):
    make(folder, "train", "trainannot")
    return folder


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_file_loads_to_the_defaults(tmp_path):
    path = init(tmp_path)
    assert path == tmp_path / "curate.toml"
    assert load_config(path) == Config(root=tmp_path)


def test_every_shown_setting_is_a_known_one(tmp_path):
    path = init(tmp_path, real=[Path("a")])
    text = path.read_text()
    shown = re.sub(r"^# (\w+ = .*|\[\[.*\]\])$", r"\1", text, flags=re.MULTILINE)
    assert shown.count(" = ") > text.count("\n[") + 40
    path.write_text(shown)
    config = load_config(path)
    assert config.method["folds"] == 3
    assert [item.path.name for item in config.synthetic] == ["synthetic"]


def test_data_sets_are_listed_in_order_and_relative_to_the_file(tmp_path):
    path = init(
        tmp_path / "project", real=[Path("project/a"), Path("b")], synthetic=[tmp_path / "c"]
    )
    text = path.read_text()
    assert 'path = "a"' in text
    config = load_config(path)
    assert [item.path for item in config.real] == [tmp_path / "project/a", tmp_path / "b"]
    assert [item.path for item in config.synthetic] == [tmp_path / "c"]
    assert [item.layout for item in config.real] == ["auto", "auto"]


def test_layout_and_classes_of_what_is_there_are_filled_in(tmp_path):
    camvid(tmp_path / "real")
    make(tmp_path / "drive", "CameraRGB", "CameraSeg")
    config = load_config(init(tmp_path, real=[Path("real")], synthetic=[Path("drive")]))
    assert config.classes == "camvid11"
    assert [item.layout for item in config.real + config.synthetic] == ["camvid", "carla"]


def test_classes_stay_open_where_the_layout_does_not_tell_them(tmp_path):
    make(tmp_path / "mine", "images", "labels")
    config = load_config(init(tmp_path, real=[Path("mine")]))
    assert config.classes is None
    assert config.real[0].layout == "folder"


def test_linked_data_set_keeps_the_name_of_the_link(tmp_path):
    camvid(tmp_path / "elsewhere")
    make(tmp_path, "project")
    (tmp_path / "project" / "real").symlink_to(tmp_path / "elsewhere")
    path = init(Path("project"), real=[Path("project/real")])
    assert 'path = "real"\nlayout = "camvid"' in path.read_text()


@pytest.mark.parametrize("name", ["with space", 'a "quote"', "back\\slash", "smörgås", "tab\t"])
def test_unusual_names_survive(tmp_path, name):
    make(tmp_path, name)
    assert load_config(init(tmp_path, real=[Path(name)])).real[0].path == tmp_path / name


def test_existing_file_is_left_alone(tmp_path):
    (tmp_path / "curate.toml").write_text("mine")
    with pytest.raises(UsageError, match=r"curate\.toml exists already and is left as it is"):
        init(tmp_path)
    assert (tmp_path / "curate.toml").read_text() == "mine"


def test_link_to_nowhere_is_left_alone(tmp_path):
    (tmp_path / "curate.toml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="exists already"):
        init(tmp_path)
    assert not (tmp_path / "nowhere").exists()


def test_file_of_a_quicker_process_is_left_alone(tmp_path, monkeypatch):
    def be_quicker(*args):
        (tmp_path / "curate.toml").write_text("theirs")
        return "ours"

    monkeypatch.setattr("curate.init._render", be_quicker)
    with pytest.raises(UsageError, match="exists already"):
        init(tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["theirs"]


def test_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write to .*file"):
        init(tmp_path / "file")
