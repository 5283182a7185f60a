from __future__ import annotations

import gc
import os
import unicodedata

import pytest

from curate.data.layouts import LAYOUTS, listing
from curate.data.layouts.layout import Layout
from curate.data.layouts.listing import list_pairs
from curate.errors import DataError


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def list_folder(root):
    return list_pairs(root, LAYOUTS["folder"]).pairs


def rows(root):
    return [(pair.id, pair.label_path, pair.status) for pair in list_folder(root)]


def test_pairs_are_sorted_by_id_and_keep_their_folders(tmp_path):
    touch(tmp_path, "images/b.png", "images/a/2.jpg", "labels/b.png", "labels/a/2.png")
    assert rows(tmp_path) == [
        ("images/a/2", "labels/a/2.png", "ok"),
        ("images/b", "labels/b.png", "ok"),
    ]


def test_image_without_label_says_so(tmp_path):
    touch(tmp_path, "images/a.png", "images/b.png", "labels/b.png")
    assert rows(tmp_path)[0] == ("images/a", "", "missing_label")


def test_label_must_be_a_png(tmp_path):
    touch(tmp_path, "images/a.jpg", "labels/a.jpg")
    assert rows(tmp_path) == [("images/a", "", "missing_label")]


def test_second_image_of_a_stem_keeps_its_suffix(tmp_path):
    touch(tmp_path, "images/a.png", "images/a.jpg", "labels/a.png")
    assert rows(tmp_path) == [
        ("images/a", "labels/a.png", "ok"),
        ("images/a.png", "labels/a.png", "duplicate_id"),
    ]
    assert list_folder(tmp_path)[0].image_path == "images/a.jpg"


def test_ids_are_unique_even_if_a_name_looks_like_a_repeated_one(tmp_path):
    touch(tmp_path, "images/a.png", "images/a.jpg", "images/a.png.png", "labels/a.png")
    ids = [pair.id for pair in list_folder(tmp_path)]
    assert ids == ["images/a", "images/a.png", "images/a.png~"]


def test_label_of_the_same_stem_in_another_folder_is_found(tmp_path):
    touch(tmp_path, "images/train/a.png", "labels/a.png")
    assert rows(tmp_path) == [("images/train/a", "labels/a.png", "ok")]


def test_label_elsewhere_is_not_guessed_if_two_images_could_own_it(tmp_path):
    touch(tmp_path, "images/x/a.png", "images/y/a.png", "labels/a.png")
    assert [pair.status for pair in list_folder(tmp_path)] == ["missing_label"] * 2


def test_label_that_belongs_to_an_image_is_not_given_to_another(tmp_path):
    touch(tmp_path, "images/a.png", "images/x/a.png", "labels/a.png")
    assert [pair.status for pair in list_folder(tmp_path)] == ["ok", "missing_label"]


def test_linked_files_and_folders_count(tmp_path):
    store = touch(tmp_path / "store", "1.png", "more/2.png")
    root = tmp_path / "subset"
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True)
        (root / kind / "1.png").symlink_to(store / "1.png")
        (root / kind / "more").symlink_to(store / "more")
    assert [row[0] for row in rows(root)] == ["images/1", "images/more/2"]


def test_one_folder_may_be_linked_twice(tmp_path):
    touch(tmp_path, "images/day/1.png", "images/night/1.png", "store/1.png")
    (tmp_path / "labels").mkdir()
    for name in ("day", "night"):
        (tmp_path / "labels" / name).symlink_to(tmp_path / "store")
    assert [row[2] for row in rows(tmp_path)] == ["ok", "ok"]


@pytest.mark.parametrize("target", ["images", ".", "..", "images/loop", "images/a"])
def test_links_in_a_circle_end(tmp_path, target):
    root = touch(tmp_path / "set", "images/a/1.png", "labels/a/1.png")
    (root / "images/a/loop").symlink_to(root / target)
    (root / "images/loop").symlink_to(root / target)
    ids = {row[0] for row in rows(root)}
    assert {"images/a/1"} <= ids <= {"images/a/1", "images/loop/1"}


def test_link_to_nothing_is_listed_so_that_it_can_be_reported(tmp_path):
    touch(tmp_path, "images/b.png", "labels/a.png", "labels/b.png")
    (tmp_path / "images/a.png").symlink_to(tmp_path / "gone.png")
    assert [row[0] for row in rows(tmp_path)] == ["images/a", "images/b"]


def test_folder_named_like_an_image_is_a_folder(tmp_path):
    touch(tmp_path, "images/a.png/1.png", "labels/a.png/1.png")
    assert rows(tmp_path) == [("images/a.png/1", "labels/a.png/1.png", "ok")]


def test_name_that_is_no_utf8_is_reported_readably(tmp_path):
    touch(tmp_path, "images/a.png", "labels/a.png")
    (tmp_path / "images" / os.fsdecode(b"\xff.png")).touch()
    assert rows(tmp_path)[1] == ("images/�", "", "bad_name")


def test_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    touch(tmp_path, "images/a.png", "labels/a.png")

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="images cannot be listed: Permission denied"):
        list_folder(tmp_path)


def listed(root, layout="folder"):
    return list_pairs(root, LAYOUTS[layout])


def test_label_of_another_sequence_is_never_taken(tmp_path):
    touch(tmp_path, "images/a/1.png", "images/a/2.png", "images/b/1.png")
    touch(tmp_path, "labels/a/1.png", "labels/b/1.png", "labels/b/2.png")
    found = {pair.id: pair.label_path for pair in listed(tmp_path).pairs}
    assert found["images/a/2"] == ""
    assert listed(tmp_path).lone_labels == ("labels/b/2.png",)


def test_train_ids_beside_a_label_are_no_labels(tmp_path):
    touch(tmp_path, "images/1.png", "labels/1.png", "labels/1_labelTrainIds.png")
    touch(tmp_path, "images/2.png", "labels/2_labelTrainIds.png")
    found = listed(tmp_path)
    assert found.lone_labels == ("labels/2_labelTrainIds.png",)  # made from no label that is there
    assert found.num_labels == 2


def test_names_match_however_their_characters_are_composed(tmp_path):
    composed = unicodedata.normalize("NFC", "Münster")
    apart = unicodedata.normalize("NFD", "Münster")
    assert composed != apart
    touch(tmp_path, f"images/{apart}_1.png", f"labels/{composed}_1.png")
    touch(tmp_path, f"images/{composed}_2.png", f"labels/{apart}_2.png")
    assert [pair.status for pair in listed(tmp_path).pairs] == ["ok", "ok"]


def test_files_of_other_kinds_are_counted_by_suffix(tmp_path):
    touch(tmp_path, "images/a.png", "labels/a.png", "images/b.heic", "images/c.heic")
    touch(tmp_path, "images/d.npy", "images/a.json", "images/readme", "elsewhere/e.heic")
    assert listed(tmp_path).others == {"heic": 2, "npy": 1}


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "jpe", "jfif", "tif", "tiff", "bmp", "webp"])
def test_images_of_these_kinds_are_listed(tmp_path, suffix):
    touch(tmp_path, f"images/a.{suffix}", "labels/a.png")
    assert rows(tmp_path) == [("images/a", "labels/a.png", "ok")]


def test_png_is_preferred_where_a_label_is_there_twice(tmp_path):
    touch(tmp_path, "images/a.png", "labels/a.bmp", "labels/a.png", "images/b.png", "labels/b.tif")
    assert [row[1] for row in rows(tmp_path)] == ["labels/a.png", "labels/b.tif"]


def test_ids_of_given_patterns_are_their_values(tmp_path):
    touch(tmp_path, "town/day/rgb/left/rgb_1.jpg", "town/day/ids/left/gt_1.png")
    touch(tmp_path, "town/day/rgb/left/rgb_2.jpg", "town/day/rgb/left/other.jpg")
    given = Layout(
        "{scene}/rgb/{camera}/rgb_{n}.jpg", {"{scene}/ids/{camera}/gt_{n}.png": None}, is_given=True
    )
    assert [(pair.id, pair.status) for pair in list_pairs(tmp_path, given).pairs] == [
        ("town/day/left/1", "ok"),
        ("town/day/left/2", "missing_label"),
    ]


def test_labels_beside_their_images_are_no_images(tmp_path):
    touch(tmp_path, "a/1.png", "a/1_L.png", "b/1.png", "b/1_L.png")
    given = Layout("{}.png", {"{}_L.png": None}, is_given=True)
    pairs = list_pairs(tmp_path, given).pairs
    assert [(pair.id, pair.label_path) for pair in pairs] == [
        ("a/1", "a/1_L.png"), ("b/1", "b/1_L.png")
    ]  # fmt: skip


def test_given_patterns_never_fall_back_to_the_stem(tmp_path):
    touch(tmp_path, "rgb/a/1.png", "ids/1.png")
    given = Layout("rgb/{}.png", {"ids/{}.png": None}, is_given=True)
    assert [pair.status for pair in list_pairs(tmp_path, given).pairs] == ["missing_label"]


def test_stem_alone_is_no_match_where_labels_lie_in_folders(tmp_path):
    touch(tmp_path, "images/a/1.png", "images/b/2.png", "labels/1.png", "labels/b/2.png")
    assert [pair.status for pair in listed(tmp_path).pairs] == ["missing_label", "ok"]


def test_cycles_are_looked_for_again_once_all_is_listed(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(listing, "_scan_all", lambda *_: (seen.append(gc.isenabled()), iter(()))[1])
    listing.list_pairs(tmp_path, LAYOUTS["folder"])
    assert (seen, gc.isenabled()) == ([False], True)
