"""What every layout must do."""

from __future__ import annotations

import numpy as np
import pytest

from curate.data.classes import resolve_classes
from curate.data.dataset import default_classes, open_dataset
from curate.data.layouts import LAYOUTS, detect_layout
from curate.data.reading import read_pair
from tests.data.making import full, save, save_wide

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


def make(root, name):
    image, label, save_label, road = EXAMPLES[name]
    save(root / f"{image}.png", full((1, 2, 3)))
    save_label(root / f"{label}.png", road)
    return root


def test_every_layout_has_an_example():
    assert list(EXAMPLES) == list(LAYOUTS)
    assert all(layout.name == name for name, layout in LAYOUTS.items())


@pytest.mark.parametrize("name", EXAMPLES)
def test_layout_is_recognised(tmp_path, name):
    assert detect_layout(make(tmp_path, name)) == name


@pytest.mark.parametrize("name", EXAMPLES)
def test_image_is_paired_with_its_label_and_read_as_road(tmp_path, name):
    source = open_dataset(make(tmp_path, name), classes=resolve_classes("camvid11"))
    (pair,) = source.pairs
    assert pair.id == EXAMPLES[name][0]
    assert pair.label_path == f"{EXAMPLES[name][1]}.png"
    loaded = read_pair(source, pair)
    assert np.unique(loaded.label_map).tolist() == [3]
    assert loaded.image[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", EXAMPLES)
def test_class_set_of_the_layout_has_a_road(tmp_path, name):
    classes = default_classes(make(tmp_path, name))
    assert (classes is None) == (name in ("folder", "carla"))
    if classes is not None:
        source = open_dataset(tmp_path, classes=classes)
        road = classes.names.index("road")
        assert read_pair(source, source.pairs[0]).label_map.unique().tolist() == [road]


@pytest.mark.parametrize("name", EXAMPLES)
def test_upper_case_suffixes_count(tmp_path, name):
    image, label = EXAMPLES[name][:2]
    make(tmp_path, name)
    (tmp_path / f"{image}.png").rename(tmp_path / f"{image}.PNG")
    (tmp_path / f"{label}.png").rename(tmp_path / f"{label}.PNG")
    (pair,) = open_dataset(tmp_path, classes=resolve_classes("camvid11")).pairs
    assert (pair.id, pair.status) == (image, "ok")


@pytest.mark.parametrize("name", EXAMPLES)
def test_hidden_files_are_left_out(tmp_path, name):
    image = tmp_path / f"{EXAMPLES[name][0]}.png"
    make(tmp_path, name)
    (image.parent / f".{image.name}").write_bytes(b"half a copy")
    (image.parent / ".cache").mkdir()
    (image.parent / ".cache" / image.name).write_bytes(b"thumbnail")
    assert len(open_dataset(tmp_path, classes=resolve_classes("camvid11")).pairs) == 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_named_layout_that_is_not_there_is_an_error(tmp_path, name):
    (tmp_path / "pictures").mkdir()
    classes = resolve_classes("camvid11")
    with pytest.raises(Exception, match=f"does not have layout '{name}': looked for"):
        open_dataset(tmp_path, layout=name, classes=classes)
