"""What every layout must do, and how one is told from another."""

from __future__ import annotations

import os

import numpy as np
import pytest

from curate.data.classes import resolve_classes
from curate.data.dataset import default_classes, open_dataset
from curate.data.layouts import LAYOUTS, detect_layout, get_layout
from curate.data.pairs import read_pair
from curate.errors import ConfigError, DataError
from tests.data.making import full, save, save_folder, save_wide

CAMVID = resolve_classes("camvid11")
PALETTE = bytes(range(192))


def save_wide_label(path, value):
    save_wide(path, full((value, 700, 0), dtype=np.uint16))


def save_red_label(path, value):
    save(path, full((value, 9, 8)))


def save_palette_label(path, value):
    save(path, full(value), palette=PALETTE)


def save_grey_label(path, value):
    save(path, full(value))


EXAMPLES = {
    # image, its label, how labels are saved, the raw id of road
    "folder": ("images/a/1", "labels/a/1", save_grey_label, 3),
    "gta5": ("images/00007", "labels/00007", save_palette_label, 7),
    "synthia": ("RGB/0000007", "GT/LABELS/0000007", save_wide_label, 3),
    "cityscapes": (
        "leftImg8bit/train/ulm/ulm_1_leftImg8bit",
        "gtFine/train/ulm/ulm_1_gtFine_labelIds",
        save_grey_label,
        7,
    ),
    "carla": ("CameraRGB/7", "CameraSeg/7", save_red_label, 7),
    "camvid": ("train/0001TP_7", "trainannot/0001TP_7", save_grey_label, 3),
}


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """One small data set of each layout."""
    return {name: make(tmp_path_factory.mktemp(name), name) for name in EXAMPLES}


def make(root, name):
    image, label, save_label, road = EXAMPLES[name]
    save(root / f"{image}.png", full((1, 2, 3)))
    save_label(root / f"{label}.png", road)
    return root


def test_every_layout_has_an_example():
    assert list(EXAMPLES) == list(LAYOUTS)


def test_layouts_are_recognised(roots):
    assert [detect_layout(roots[name]) for name in LAYOUTS] == list(LAYOUTS)


def test_image_is_paired_with_its_label_and_read_as_road(roots):
    for name, root in roots.items():
        source = open_dataset(root, classes=CAMVID)
        (pair,) = source.pairs
        assert (pair.id, pair.label_path) == (EXAMPLES[name][0], f"{EXAMPLES[name][1]}.png")
        image, label_map = read_pair(source, pair)
        assert np.unique(label_map).tolist() == [3], name
        assert image[:, 0, 0].tolist() == [1, 2, 3]


def test_class_set_of_a_layout_has_a_road(roots):
    for name, root in roots.items():
        classes = default_classes(root)
        assert (classes is None) == (name in ("folder", "carla"))
        if classes is not None:
            source = open_dataset(root, classes=classes)
            road = classes.names.index("road")
            assert read_pair(source, source.pairs[0]).label_map.unique().tolist() == [road], name


def test_upper_case_suffixes_count(tmp_path):
    for name, (image, label, *_) in EXAMPLES.items():
        root = make(tmp_path / name, name)
        for path in (image, label):
            (root / f"{path}.png").rename(root / f"{path}.PNG")
        (pair,) = open_dataset(root, classes=CAMVID).pairs
        assert (pair.id, pair.status) == (image, "ok")


def test_hidden_files_are_left_out(tmp_path):
    for name, (image, *_) in EXAMPLES.items():
        path = make(tmp_path / name, name) / f"{image}.png"
        (path.parent / f".{path.name}").write_bytes(b"half a copy")
        (path.parent / ".cache").mkdir()
        (path.parent / ".cache" / path.name).write_bytes(b"thumbnail")
        assert len(open_dataset(tmp_path / name, classes=CAMVID).pairs) == 1, name


def test_named_layout_that_is_not_there_is_an_error(tmp_path):
    (tmp_path / "pictures").mkdir()
    for name in LAYOUTS:
        with pytest.raises(DataError, match=f"does not have layout '{name}': looked for") as caught:
            open_dataset(tmp_path, layout=name, classes=CAMVID)
        assert caught.value.code == "unknown_layout"


def test_what_is_looked_for_and_found_is_put_into_words(roots):
    told = {name: (LAYOUTS[name].describe(), LAYOUTS[name].examine(roots[name])) for name in roots}
    assert told["synthia"] == (
        "RGB/ and GT/LABELS/", (True, "RGB/ is there, GT/LABELS/ is there")
    )  # fmt: skip
    assert told["gta5"] == (
        "images/ and labels/ with 00001.png, ..; labels are palette PNGs",
        (True, "first label '00007.png' has a palette"),
    )
    assert told["camvid"] == ("{split}/ and {split}annot/", (True, "train/ and trainannot/"))
    assert LAYOUTS["camvid"].examine(roots["carla"]) == (False, "no two folders are named so")
    assert LAYOUTS["gta5"].examine(roots["folder"]) == (
        False, "first image 'a', first label 'a'"
    )  # fmt: skip


def test_unknown_folder_lists_what_each_layout_looked_for(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError) as caught:
        detect_layout(tmp_path)
    text = str(caught.value)
    assert caught.value.code == "unknown_layout"
    assert all(f"  {name}: looked for " in text for name in LAYOUTS)
    assert "folder: looked for images/ and labels/; images/ is there, labels/ is missing" in text


def test_data_set_one_folder_down_is_named(tmp_path):
    save_folder(tmp_path / "train", {"a": 0})
    with pytest.raises(DataError, match=r"Did you mean .*train\?"):
        detect_layout(tmp_path)


def test_folder_inside_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    save_folder(tmp_path, {"a": 0})

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(DataError, match="images cannot be opened: Permission denied"):
        detect_layout(tmp_path)


def test_specific_layout_outdoes_folder(tmp_path):
    save_folder(tmp_path, {"a": 0})
    (tmp_path / "CameraRGB").mkdir()
    (tmp_path / "CameraSeg").mkdir()
    assert detect_layout(tmp_path) == "carla"


def test_two_specific_layouts_are_ambiguous(tmp_path):
    for name in ("CameraRGB", "CameraSeg", "train", "trainannot"):
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match="several layouts at once: carla, camvid") as caught:
        detect_layout(tmp_path)
    assert caught.value.code == "ambiguous_layout"


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


def test_unknown_layout_names_the_nearest():
    with pytest.raises(ConfigError, match=r"Did you mean 'cityscapes'\?"):
        get_layout("cityscape")


def make_cityscapes(root, endings):
    save(root / "leftImg8bit/val/ulm/ulm_0_leftImg8bit.png", full((1, 2, 3)))
    for ending, value in endings.items():
        save(root / f"gtFine/val/ulm/ulm_0_gtFine_{ending}.png", full(value))
    return open_dataset(root, classes=CAMVID)


def test_cityscapes_prefers_original_ids(tmp_path):
    source = make_cityscapes(tmp_path, {"labelIds": 23, "labelTrainIds": 10, "color": 0})
    assert source.id_map.name == "cityscapes"
    assert source.pairs[0].label_path.endswith("_labelIds.png")
    assert read_pair(source, source.pairs[0]).label_map.unique().tolist() == [0]


def test_cityscapes_train_ids_are_read_as_such_where_they_are_all_there_is(tmp_path):
    source = make_cityscapes(tmp_path, {"labelTrainIds": 10})
    assert source.id_map.name == "cityscapes19"
    assert read_pair(source, source.pairs[0]).label_map.unique().tolist() == [0]


def test_train_ids_do_not_stand_in_for_single_missing_originals(tmp_path):
    save(tmp_path / "leftImg8bit/val/ulm/ulm_1_leftImg8bit.png", full((1, 2, 3)))
    save(tmp_path / "gtFine/val/ulm/ulm_1_gtFine_labelTrainIds.png", full(10))
    source = make_cityscapes(tmp_path, {"labelIds": 23})
    assert [pair.status for pair in source.pairs] == ["ok", "missing_label"]


def test_camvid_takes_every_split_that_has_labels(tmp_path):
    for split in ("train", "val"):
        save(tmp_path / f"{split}/a.png", full((1, 2, 3)))
        save(tmp_path / f"{split}annot/a.png", full(11))
    save(tmp_path / "test/a.png", full((1, 2, 3)))
    source = open_dataset(tmp_path, classes=CAMVID)
    assert [pair.id for pair in source.pairs] == ["train/a", "val/a"]
    assert read_pair(source, source.pairs[1]).label_map.unique().tolist() == [255]
