"""What every layout must do: be recognised, pair, and be read as its tools write it."""

from __future__ import annotations

import pytest

from curate.data.classes import resolve_classes
from curate.data.dataset import default_classes, open_dataset, own_classes
from curate.data.id_tables import PUBLISHED_IDS
from curate.data.layouts import LAYOUTS
from curate.data.layouts.detection import detect_layout
from curate.data.pairs import read_pair
from curate.dataset_config import DatasetConfig
from tests.data.layouts.drawing import DRAWN, draw
from tests.data.making import full, save

CAMVID = resolve_classes("camvid11")
ADE = resolve_classes("ade20k")

FLAT = [name for name, layout in LAYOUTS.items() if not layout.is_sharded]
"""Others are tested with `curate.data.shards`."""


def classes_for(name):
    """A class set that has roads, in the vocabulary of the layout."""
    if name == "voc":
        return resolve_classes("voc")
    return CAMVID


def road_of(name, classes):
    return classes.names.index("car" if name == "voc" else "road")  # VOC's 7 is a car


def test_thirty_layouts_are_drawn():
    assert list(DRAWN) == FLAT
    assert len(LAYOUTS) >= 30


@pytest.mark.parametrize("name", FLAT)
def test_layout_is_recognised(tmp_path, name):
    assert detect_layout(draw(tmp_path, name)) == name


@pytest.mark.parametrize("name", FLAT)
def test_image_is_paired_with_its_label_and_read_as_road(tmp_path, name):
    drawn, classes = DRAWN[name], classes_for(name)
    source = open_dataset(draw(tmp_path, name), classes=classes)
    (pair,) = source.pairs
    assert pair.id == drawn.image.rpartition(".")[0]
    assert (pair.image_path, pair.label_path) == (drawn.image, drawn.label)
    assert (pair.status, pair.split) == ("ok", drawn.split)
    assert source.listed.lone_labels == ()
    assert source.listed.others == {}
    image, label_map = read_pair(source, pair)
    assert label_map.unique().tolist() == [road_of(name, classes)]
    assert [abs(int(value) - n) < 4 for n, value in enumerate(image[:, 0, 0], 1)] == [True] * 3


@pytest.mark.parametrize("name", FLAT)
def test_upper_case_suffixes_count_and_hidden_files_do_not(tmp_path, name):
    image = draw(tmp_path, name) / DRAWN[name].image
    for path in (image, tmp_path / DRAWN[name].label):
        if path.exists():
            path.rename(path.with_suffix(path.suffix.upper()))
    (image.parent / f".{image.name}").write_bytes(b"half a copy")
    (image.parent / ".cache").mkdir()
    (image.parent / ".cache" / image.name).write_bytes(b"thumbnail")
    (pair,) = open_dataset(tmp_path, classes=classes_for(name)).pairs
    assert pair.status == "ok"


@pytest.mark.parametrize("name", [n for n, layout in LAYOUTS.items() if layout.class_set])
def test_class_set_of_a_layout_has_a_road(tmp_path, name):
    classes = default_classes(draw(tmp_path, name))
    source = open_dataset(tmp_path, classes=classes)
    road = read_pair(source, source.pairs[0]).label_map.unique().tolist()
    assert road == [road_of(name, classes)]


def test_id_maps_of_layouts_are_built_in():
    named = {id_map for layout in LAYOUTS.values() for id_map in layout.labels.values()}
    assert named - {None} <= set(PUBLISHED_IDS)


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


def test_id_map_that_is_asked_for_chooses_the_labels(tmp_path):
    make_cityscapes(tmp_path, {"labelIds": 23, "labelTrainIds": 10})
    source = open_dataset(tmp_path, classes=CAMVID, id_map="cityscapes19")
    assert source.pairs[0].label_path.endswith("_labelTrainIds.png")
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


def test_splits_without_any_label_are_left_out_and_counted(tmp_path):
    for split in ("train", "val"):
        save(tmp_path / f"{split}/a.png", full((1, 2, 3)))
        save(tmp_path / f"{split}annot/a.png", full(11))
    save(tmp_path / "test/a.png", full((1, 2, 3)))
    source = open_dataset(tmp_path, classes=CAMVID)
    assert [pair.id for pair in source.pairs] == ["train/a", "val/a"]
    assert source.listed.unlabelled == {"test": 1}
    assert read_pair(source, source.pairs[1]).label_map.unique().tolist() == [255]


@pytest.mark.parametrize(
    "name", [n for n, layout in LAYOUTS.items() if any(layout.labels.values())]
)
def test_layout_with_an_id_map_tells_the_classes_it_is_labelled_in(tmp_path, name):
    dataset = DatasetConfig(path=draw(tmp_path, name))
    classes = own_classes(dataset)
    source = open_dataset(dataset, classes=classes)
    assert set(read_pair(source, source.pairs[0]).label_map.unique().tolist()) < set(range(254))
