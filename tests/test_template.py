from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curate.config import (
    AugmentConfig,
    Config,
    DatasetConfig,
    FitConfig,
    ScoreConfig,
    Strict,
    load_config,
)
from curate.errors import StoreError, UsageError
from curate.methods import METHODS
from curate.template import comment, init, render_settings, to_toml

MODELS = [FitConfig, AugmentConfig, ScoreConfig, *(method.Settings for method in METHODS.values())]


def make(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
    return folder


def camvid(folder):
    make(folder, "train", "trainannot")
    for name in ("train", "trainannot"):
        (folder / name / "a.png").touch()
    return folder


def draw(path):
    Image.new("L", (16, 12), 1).save(path)


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_file_loads_to_the_defaults(tmp_path):
    path = init(tmp_path)
    assert path == tmp_path / "curate.toml"
    assert load_config(path) == Config(root=tmp_path, method={"streams": {}})


def test_split_that_real_images_keep_apart_is_a_test_set(tmp_path):
    camvid(tmp_path / "CamVid")
    path = init(tmp_path, real=[Path("CamVid")])
    assert "# [[test]]" in path.read_text()
    path.unlink()
    for split in ("val", "test"):
        for name in (split, f"{split}annot"):
            make(tmp_path / "CamVid", name)
            draw(tmp_path / "CamVid" / name / "b.png")
    for name in ("train", "trainannot"):
        draw(tmp_path / "CamVid" / name / "a.png")
    config = load_config(init(tmp_path, real=[Path("CamVid")]))
    assert [each.split for each in (*config.real, *config.test)] == ["train", "val"]


def test_every_shown_setting_is_a_known_one(tmp_path):
    path = init(tmp_path, real=[Path("a")])
    text = path.read_text()
    shown = re.sub(r"^# (\w+ = .*|\[\[.*\]\])$", r"\1", text, flags=re.MULTILINE)
    assert shown.count(" = ") > text.count("\n[") + 40
    path.write_text(shown)
    config = load_config(path)
    assert config.method_settings["folds"] == 3
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

    monkeypatch.setattr("curate.template._render", be_quicker)
    with pytest.raises(UsageError, match="exists already"):
        init(tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["theirs"]


def test_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write to .*file"):
        init(tmp_path / "file")


class Sample(Strict):
    kind: Literal["fast", "slow"] = "fast"
    """How it is done, ``fast`` or
    not at all.
    """

    low: float = 1e-7
    """Range."""

    jobs: int | None = None
    """Processes."""


def test_settings_are_shown_with_meaning_choices_and_default():
    assert render_settings(Sample).splitlines() == [
        "# How it is done, fast or not at all. One of fast, slow.",
        'kind = "fast"',
        "",
        "# Range.",
        "low = 1e-07",
        "",
        "# Processes.",
        "# jobs = 0",
    ]


def test_defaults_can_be_shown_as_comments():
    assert tomllib.loads(render_settings(Sample, is_active=False)) == {}


def test_every_setting_is_explained():
    for model in (*MODELS, DatasetConfig):
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"


def test_written_settings_are_the_defaults():
    for model in MODELS:
        written = tomllib.loads(render_settings(model))
        defaults = {k: v for k, v in model().model_dump(mode="json").items() if v is not None}
        assert written == defaults


def test_comments_are_wrapped():
    lines = comment("word " * 40)
    assert len(lines) == 3
    assert all(line.startswith("# ") and len(line) <= 80 for line in lines)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives(text):
    assert tomllib.loads(f"key = {to_toml(text)}") == {"key": text}


@pytest.mark.parametrize("value", [True, False, 0, -3, 0.1, 1e-12, 1e300, [1, 2], [], ["a", "b"]])
def test_other_values_survive(value):
    assert tomllib.loads(f"key = {to_toml(value)}") == {"key": value}


def test_name_of_unknown_encoding_is_refused():
    with pytest.raises(UsageError, match="is not valid UTF-8"):
        to_toml(os.fsdecode(b"caf\xe9"))
