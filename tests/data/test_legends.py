from __future__ import annotations

import json

import numpy as np
import pytest

from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.data.legends import FRAMES, LEGENDS, find_legend
from curate.data.pairs import read_pair
from curate.errors import DataError
from tests.data.making import full, save

CLASSES = resolve_classes(["sky", "road", "car"])

TEXTS = {
    "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nRoad:128,64,128::\n"
    "car:0,0,142::\n",
    "dataset_meta.json": json.dumps(
        {
            "label_map": {"0": "background", "1": "Road", "2": "car"},
            "segmentation_colors": [[0, 0, 0], [128, 64, 128], [0, 0, 142]],
        }
    ),
    "dataset.json": json.dumps({"labels": {"background": 0, "road": 1, "car": 2, "all": [1, 2]}}),
    "annotation_definitions.json": json.dumps(
        {
            "annotationDefinitions": [
                {"@type": "BoundingBox", "spec": [{"label_id": 1, "label_name": "car"}]},
                {
                    "@type": "SemanticSegmentation",
                    "spec": [
                        {"label_name": "Road", "pixel_value": [128, 64, 128, 255]},
                        {"label_name": "car", "pixel_value": [0, 0, 142, 255]},
                    ],
                },
            ]
        }
    ),
}


def test_every_kind_of_file_is_tried():
    assert set(TEXTS) == set(LEGENDS)


@pytest.mark.parametrize("name", LEGENDS)
def test_names_of_the_file_become_classes(tmp_path, name):
    (tmp_path / name).write_text(TEXTS[name])
    id_map = find_legend(tmp_path, CLASSES)
    assert id_map.name == name
    if id_map.ids:
        assert id_map.ids == {1: 1, 2: 2}
        assert {0, 255} <= id_map.ignored
    else:
        assert id_map.colours == {(128, 64, 128): 1, (0, 0, 142): 2}
        assert (0, 0, 0) in id_map.ignored_colours


def test_palette_of_cvat_is_read_by_its_colours_whatever_the_order(tmp_path):
    palette = np.zeros((256, 3), np.uint8)
    palette[9] = (128, 64, 128)
    save(tmp_path / "JPEGImages/a.jpg", full((1, 2, 3)))
    save(tmp_path / "SegmentationClass/a.png", full(9), palette=palette.tobytes())
    (tmp_path / "labelmap.txt").write_text(TEXTS["labelmap.txt"])
    source = open_dataset(tmp_path, classes=CLASSES)
    assert (source.layout, source.id_map.name, source.is_map_assumed) == (
        "voc", "labelmap.txt", False
    )  # fmt: skip
    assert read_pair(source, source.pairs[0]).label_map.unique().tolist() == [1]


def test_id_map_that_is_given_counts_more(tmp_path):
    save(tmp_path / "images/a.png", full((1, 2, 3)))
    save(tmp_path / "labels/a.png", full(0))
    (tmp_path / "dataset.json").write_text(TEXTS["dataset.json"])
    assert open_dataset(tmp_path, classes=CLASSES).id_map.name == "dataset.json"
    assert open_dataset(tmp_path, classes=CLASSES, id_map="classes").id_map.name == "classes"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"labels": 3}', '{"labels": {"x": "y"}}', "road:999,0,0::", "\0"]
)
def test_files_that_are_something_else_are_passed_over(tmp_path, text):
    for name in LEGENDS:
        (tmp_path / name).write_text(text)
    assert find_legend(tmp_path, CLASSES) is None


def test_file_that_names_no_class_is_passed_over(tmp_path):
    (tmp_path / "dataset.json").write_text('{"labels": {"tumour": 1}}')
    assert find_legend(tmp_path, CLASSES) is None


COLOURS = {
    "(0, 0, 0, 0)": "BACKGROUND",
    "(140, 25, 255, 255)": "car",
    "(25, 255, 82, 255)": "Road,asphalt",
    "(9, 9, 9, 255)": "palette",
}


def write_frame(root, number, colours, folder=""):
    """Draw a frame of Replicator that shows each colour, or id, in one column."""
    values = [[int(v) for v in key.strip("()").split(",")] for key in colours]
    row = np.array(values, np.uint8)
    label = np.repeat(row[None], 32, 0).repeat(8, 1)
    image = np.full((32, 8 * len(colours), 3), number, np.uint8)
    save(root / folder / f"rgb_{number:04d}.png", image)
    path = root / folder / f"semantic_segmentation_{number:04d}.png"
    save(path, label.squeeze(2) if label.shape[2] == 1 else label)
    table = json.dumps({key: {"class": name} for key, name in colours.items()})
    (root / folder / f"{FRAMES}_{number:04d}.json").write_text(table)


def read_first(root, classes=CLASSES):
    source = open_dataset(root, classes=classes)
    return source, read_pair(source, source.pairs[0]).label_map.numpy()[0]


def test_colours_beside_each_frame_of_replicator_are_read(tmp_path):
    write_frame(tmp_path, 0, COLOURS)
    write_frame(tmp_path, 1, {"(25, 255, 82, 255)": "road", "(1, 2, 3, 255)": "sky"})
    source, row = read_first(tmp_path)
    assert source.id_map.name == FRAMES
    assert not source.is_map_assumed
    assert row[::8].tolist() == [255, 2, 1, 255]
    _, row = read_first(tmp_path, resolve_classes(["car", "background"]))
    assert row[::8].tolist() == [1, 0, 255, 255]


def test_ids_beside_each_frame_are_read_in_any_arrangement(tmp_path):
    write_frame(tmp_path, 0, {"0": "UNLABELLED", "5": "sky", "2": "car"}, "Camera/rgb")
    folder = tmp_path / "Camera/semantic_segmentation"
    folder.mkdir()
    for path in (tmp_path / "Camera/rgb").glob("semantic*"):
        path.rename(folder / path.name)
    assert read_first(tmp_path)[1][::8].tolist() == [255, 0, 2]


def test_colour_of_two_classes_refuses_the_frames(tmp_path):
    write_frame(tmp_path, 0, COLOURS)
    write_frame(tmp_path, 1, {"(140, 25, 255, 255)": "road"})
    with pytest.raises(DataError, match=r"#8c19ff stands for 'car' .* and for 'road' in") as caught:
        open_dataset(tmp_path, classes=CLASSES)
    assert caught.value.code == "mixed_palettes"


def test_object_with_the_names_of_two_classes_is_not_guessed(tmp_path):
    write_frame(tmp_path, 0, COLOURS | {"(3, 3, 3, 255)": "car,road"})
    with pytest.raises(DataError, match=r"#030303 \(256 pixels\)"):
        read_first(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{", '{"(1, 2, 900, 255)": {"class": "car"}}', '{"1": 3}'])
def test_damaged_files_beside_frames_say_nothing(tmp_path, text):
    write_frame(tmp_path, 0, {"0": "sky", "2": "car"})
    (tmp_path / f"{FRAMES}_0000.json").write_text(text)
    assert open_dataset(tmp_path, classes=CLASSES).is_map_assumed
