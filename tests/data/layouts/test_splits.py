from __future__ import annotations

import pytest

from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.data.layouts.splits import check_one_split, count_splits, describe_several
from curate.dataset_config import DatasetConfig
from curate.errors import DataError
from tests.data.making import full, save

CAMVID = resolve_classes("camvid11")


def draw(root, **counts):
    for split, count in counts.items():
        for n in range(count):
            save(root / f"images/{split}/{n}.png", full((1, 2, 3)))
            save(root / f"labels/{split}/{n}.png", full(3))
    return root


def open_it(root, **reading):
    return open_dataset(DatasetConfig(path=root, **reading), classes=CAMVID)


def test_split_is_the_folder_that_is_named_like_one(tmp_path):
    source = open_it(draw(tmp_path, train=3, val=2))
    assert count_splits(source.pairs) == {"train": 3, "val": 2}
    assert describe_several(source.pairs) == "train 3, val 2"


def test_only_the_split_that_is_asked_for_is_taken(tmp_path):
    pairs = open_it(draw(tmp_path, train=3, val=2), split="VAL").pairs
    assert [pair.id for pair in pairs] == ["images/val/0", "images/val/1"]


def test_split_that_is_not_there_names_those_that_are(tmp_path):
    draw(tmp_path, train=3, val=2)
    save(tmp_path / "images/test/0.png", full((1, 2, 3)))
    message = r"no split 'dev'\. It has: train 3, val 2; without labels: test 1"
    with pytest.raises(DataError, match=message) as caught:
        open_it(tmp_path, split="dev")
    assert caught.value.code == "no_split"


def test_several_splits_are_refused_where_one_must_be_chosen(tmp_path):
    source = open_it(draw(tmp_path, train=3, val=2))
    with pytest.raises(DataError, match=r'train 3, val 2\..* split = "train" under \[\[real\]\]'):
        check_one_split(tmp_path, source.pairs, table="real")
    check_one_split(tmp_path, open_it(tmp_path, split="train").pairs, table="real")


def test_one_split_or_none_passes(tmp_path):
    check_one_split(tmp_path, open_it(draw(tmp_path / "a", train=2)).pairs, table="test")
    check_one_split(tmp_path, open_it(draw(tmp_path / "b", drive=2, walk=1)).pairs, table="test")
    assert describe_several(open_it(tmp_path / "b").pairs) == ""


def test_split_of_a_pattern_is_what_its_name_says(tmp_path):
    draw(tmp_path, one=1, two=2)
    patterns = {"image": "images/{split}/{n}.png", "label": "labels/{split}/{n}.png"}
    assert count_splits(open_it(tmp_path, **patterns).pairs) == {"one": 1, "two": 2}
    assert len(open_it(tmp_path, **patterns, split="two").pairs) == 2


def draw_voc(root):
    for name in ("a", "b", "c", "unlabelled"):
        save(root / f"JPEGImages/{name}.jpg", full((1, 2, 3)))
        if len(name) == 1:
            save(root / f"SegmentationClass/{name}.png", full(7), palette=bytes(192))
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for split, names in {"train": "a", "val": "b\nc", "trainval": "a\nb\nc"}.items():
        (lists / f"{split}.txt").write_text(names + "\n")
    return root


def test_splits_of_voc_are_lists_and_images_without_a_label_no_part_of_it(tmp_path):
    voc = resolve_classes("voc")
    source = open_dataset(draw_voc(tmp_path), classes=voc)
    assert (source.layout, source.id_map.name) == ("voc", "voc")
    assert [(pair.id, pair.split) for pair in source.pairs] == [
        ("JPEGImages/a", "train"), ("JPEGImages/b", "val"), ("JPEGImages/c", "val")
    ]  # fmt: skip
    chosen = open_dataset(DatasetConfig(path=tmp_path, split="val"), classes=voc)
    assert len(chosen.pairs) == 2


def test_ids_can_be_said_to_be_class_indices(tmp_path):
    draw_voc(tmp_path)
    classes = resolve_classes([f"x{n}" for n in range(9)])
    source = open_dataset(tmp_path, classes=classes, id_map="classes")
    assert source.id_map.ids[7] == 7
