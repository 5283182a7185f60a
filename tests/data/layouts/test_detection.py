from __future__ import annotations

import os

import pytest

from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.data.layouts import LAYOUTS
from curate.data.layouts.detection import MAX_FOLDER_FILES, detect_layout, get_layout
from curate.errors import ConfigError, DataError
from tests.data.layouts.drawing import draw
from tests.data.making import full, save, save_folder

CAMVID = resolve_classes("camvid11")


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def test_unknown_layout_names_the_nearest():
    with pytest.raises(ConfigError, match=r"Did you mean 'cityscapes'\?"):
        get_layout("cityscape")


def test_named_layout_that_is_not_there_is_an_error(tmp_path):
    touch(tmp_path, "pictures/a.gif")
    for name in LAYOUTS:
        with pytest.raises(DataError, match=f"holds no images: layout '{name}' keeps") as caught:
            open_dataset(tmp_path, layout=name, classes=CAMVID)
        assert caught.value.code == "no_images"


def test_data_set_one_folder_down_is_named(tmp_path):
    save_folder(tmp_path / "inner", {"a": 0})
    with pytest.raises(DataError, match=r"Did you mean .*inner\?"):
        detect_layout(tmp_path)


def test_folder_inside_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    save_folder(tmp_path, {"a": 0})

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="cannot be opened: Permission denied"):
        detect_layout(tmp_path)


def test_specific_layout_outdoes_folder(tmp_path):
    draw(tmp_path, "folder")
    assert detect_layout(draw(tmp_path, "carla")) == "carla"


def test_two_specific_layouts_are_ambiguous(tmp_path):
    draw(tmp_path, "camvid")
    with pytest.raises(DataError, match=r"several layouts at once") as caught:
        detect_layout(draw(tmp_path, "carla"))
    assert caught.value.code == "ambiguous_layout"
    assert "carla: 1 images in CameraRGB/{} with CameraSeg/{}" in str(caught.value)
    assert "camvid: 3 images in" in str(caught.value)
    assert "--layout " in str(caught.value)


def test_five_digit_names_with_grey_labels_are_no_gta5(tmp_path):
    assert detect_layout(save_folder(tmp_path, {"00001": 3})) == "folder"


def test_palette_labels_with_other_names_are_no_gta5(tmp_path):
    save(tmp_path / "images/a.png", full((1, 2, 3)))
    save(tmp_path / "labels/a.png", full(3), palette=bytes(30))
    assert detect_layout(tmp_path) == "folder"


def test_gta5_is_recognised_beside_train_ids_left_by_other_tools(tmp_path):
    save(tmp_path / "images/00001.png", full((1, 2, 3)))
    save(tmp_path / "labels/00001.png", full(7), palette=bytes(30))
    save(tmp_path / "labels/00001_labelTrainIds.png", full(0))
    source = open_dataset(tmp_path, classes=CAMVID)
    assert [(pair.id, pair.label_path) for pair in source.pairs] == [
        ("images/00001", "labels/00001.png")
    ]
    assert source.layout == "gta5"


def test_layout_is_seen_in_large_folders_with_many_kinds_of_files(tmp_path):
    kinds = ("depth", "normals", "flow", "rgb", "semantic_segmentation")
    touch(tmp_path, *(f"{kind}_{n:04}.png" for kind in kinds for n in range(MAX_FOLDER_FILES)))
    assert detect_layout(tmp_path) == "replicator"


def test_layout_is_seen_where_labels_have_more_folders_than_are_looked_at(tmp_path):
    for n in range(150):
        touch(tmp_path, f"CameraSeg/{n}/1.png", f"CameraRGB/{n}/1.png", f"CameraDepth/{n}/1.png")
    assert detect_layout(tmp_path) == "carla"


def test_folders_alone_choose_what_errors_speak_of(tmp_path):
    touch(tmp_path, "CameraRGB/a.png", "CameraSeg/b.png")
    assert detect_layout(tmp_path) == "carla"
    with pytest.raises(DataError, match=r"None of the 1 images .* CameraSeg/\{\}"):
        open_dataset(tmp_path, classes=CAMVID)


def test_unknown_folder_shows_names_endings_and_lines_to_write(tmp_path):
    touch(tmp_path, "shots/cam_001.jpg", "truth/ids_001.png", "notes/readme.txt")
    with pytest.raises(DataError) as caught:
        detect_layout(tmp_path)
    text = str(caught.value)
    assert caught.value.code == "unknown_layout"
    assert "shots/cam_001.jpg" in text
    assert sorted(text.partition("Endings: ")[2].split(".\n")[0].split(", ")) == [
        ".jpg 1", ".png 1", ".txt 1"
    ]  # fmt: skip
    assert 'image = "shots/cam_{n}.jpg"' in text
    assert 'label = "truth/ids_{n}.png"' in text
    assert "--image-pattern 'shots/cam_{n}.jpg' --label-pattern 'truth/ids_{n}.png'" in text
