from __future__ import annotations

import h5py
import numpy as np
import pytest
from PIL import Image

from curate.errors import StoreError
from curate.selection.export import export_subset
from tests.selection.making import (
    BLOCK_PX,
    LABELS,
    Warnings,
    edit,
    label_ids,
    manifest,
    with_classes,
)


def test_other_columns_can_rank(scores, out):
    result = export_subset(scores, out=out, count=1, rank_by="image_score")
    assert (result.selected, result.rank_by) == (1, "image_score")
    row = manifest(out)["b"]
    assert (row["selected"], row["score"], row["rank"]) == ("True", "0.8", "1")
    assert row["rank_by"] == "image_score"


def test_regions_not_selected_are_ignored_in_new_labels(root, scores, out):
    result = export_subset(scores, out=out, by="region", top="50%")
    assert (result.selected, result.of, result.images_selected) == (3, 6, 3)
    assert (result.pixels_kept, result.pixels_total) == (10 * BLOCK_PX, 21 * BLOCK_PX)
    assert label_ids(out, "a") == [[7, 7, 255, 255], [7, 7, 255, 255]]
    assert label_ids(out, "b") == [[7, 7, 255, 255], [0, 0, 255, 255]]
    assert label_ids(out, "c") == [[255, 255, 8, 8], [255, 255, 8, 8]]
    assert label_ids(root, "a") == LABELS["images/a"]
    assert not (out / "labels/a.png").is_symlink()
    assert (out / "images/a.png").is_symlink()


def test_images_without_a_selected_region_are_left_out(scores, out):
    export_subset(scores, out=out, by="region", threshold=0.7)
    assert sorted(path.name for path in (out / "images").iterdir()) == ["a.png", "c.png"]
    assert manifest(out)["b"]["reason"] == "no_region_selected"
    assert manifest(out)["a"]["kept_px"] == "64"


def test_pixel_quota_counts_valid_pixels_of_the_originals(scores, out):
    # Blocks by level: a 4 at 250, c 4 at 200, b 6 at 100, c 4 at 30, a 3 at 10.
    result = export_subset(scores, out=out, by="pixel", count=8 * 16 + 20)
    assert (result.selected, result.of) == (3, 3)
    assert (result.pixels_kept, result.pixels_total) == (148, 21 * BLOCK_PX)
    assert label_ids(out, "a") == [[7, 7, 255, 255], [7, 7, 255, 255]]
    assert label_ids(out, "c") == [[255, 255, 8, 8], [255, 255, 8, 8]]
    with Image.open(out / "labels/b.png") as label:
        assert np.asarray(label)[:3].tolist() == [[7] * 16, [7] * 4 + [255] * 12, [255] * 16]
    assert [manifest(out)[name]["kept_px"] for name in "abcz"] == ["64", "20", "64", "0"]


def test_pixel_share_is_exact(scores, out):
    assert export_subset(scores, out=out, by="pixel", top="50%").pixels_kept == 168


def test_images_are_kept_until_the_pixels_are_reached(scores, out):
    # In order of their scores: a has 7 blocks, c 8, b 6.
    for pixels, kept in ((1, "a"), (7 * BLOCK_PX, "a"), (7 * BLOCK_PX + 1, "ac")):
        result = export_subset(scores, out=out, pixels=pixels, overwrite=True)
        rows = manifest(out)
        assert [name for name in "abcz" if rows[name]["selected"] == "True"] == list(kept)
    assert (result.selected, result.pixels_kept) == (2, 15 * BLOCK_PX)


def test_regions_are_kept_until_the_pixels_are_reached(scores, out):
    # By score: a left (4 blocks), c right (4), b left (2), b right (4), ..
    result = export_subset(scores, out=out, by="region", pixels=8 * BLOCK_PX + 1)
    assert (result.selected, result.pixels_kept) == (3, 10 * BLOCK_PX)


def test_pixels_are_kept_to_the_very_number(scores, out):
    assert export_subset(scores, out=out, by="pixel", pixels=100).pixels_kept == 100


def test_pixels_beyond_what_is_there_keep_all_and_say_so(scores, out):
    warnings = Warnings()
    assert export_subset(scores, out=out, pixels=10**6, reporter=warnings).selected == 3
    assert warnings.texts == ["--pixels 1000000: only 336 have a score; all of them are kept."]


def test_count_beyond_what_is_there_keeps_all_and_says_so(scores, out):
    warnings = Warnings()
    assert export_subset(scores, out=out, count=9, reporter=warnings).selected == 3
    assert warnings.texts == ["--count 9: only 3 have a score; all of them are kept."]


def test_images_per_class_are_the_best_for_a_class_they_show(scores, out):
    nan = np.nan
    # a shows class 0 only, b both, c class 1 only; one of two is kept for each class.
    path = with_classes(scores, class_score=[[0.3, nan], [0.6, 0.2], [nan, 0.1]])
    result = export_subset(path, out=out, per_class=True, top="50%")
    assert (result.selected, result.of) == (1, 3)
    assert manifest(out)["b"]["selected"] == "True"
    path = with_classes(scores, class_score=[[0.3, nan], [0.2, 0.2], [nan, 0.9]])
    export_subset(path, out=out, per_class=True, count=1, overwrite=True)
    rows = manifest(out)
    assert [rows[name]["selected"] for name in "abcz"] == ["True", "False", "True", "False"]
    assert rows["b"]["reason"] == "below_cut"


def test_pixels_per_class_count_those_of_the_class(scores, out):
    nan = np.nan
    path = with_classes(
        scores,
        class_score=[[0.9, nan], [0.6, 0.8], [nan, 0.1]],
        class_px=[[40, 0], [30, 50], [0, 9]],
    )
    # Class 0 takes a and b for 41 pixels; class 1 has 50 with b alone.
    result = export_subset(path, out=out, per_class=True, pixels=41)
    assert (result.selected, manifest(out)["c"]["selected"]) == (2, "False")


def test_failed_image_is_not_kept_for_a_class(scores, out):
    path = with_classes(scores, class_score=[[0.9, 0.9], [0.6, 0.8], [0.1, 0.1]])
    edit(path, "images/status", 0, "unreadable_image")
    export_subset(path, out=out, per_class=True, count=1)
    assert [manifest(out)[name]["selected"] for name in "abc"] == ["False", "True", "False"]


def test_regions_per_class_are_the_best_of_each(scores, out):
    with h5py.File(scores, "a") as file:  # left regions are of class 0, right ones of class 1
        file["regions/class_id"][:] = [0, 1, 0, 1, 0, 1]
    result = export_subset(scores, out=out, by="region", per_class=True, count=1)
    assert (result.selected, result.of) == (2, 6)
    assert label_ids(out, "a") == [[7, 7, 255, 255], [7, 7, 255, 255]]
    assert label_ids(out, "c") == [[255, 255, 8, 8], [255, 255, 8, 8]]
    assert manifest(out)["b"]["selected"] == "False"


def test_pixels_per_class_are_the_best_of_each(scores, out):
    # Blocks of class 0: a 4 at 250, b 2 at 100 left and 4 at 100 right. Class 1: a 3 at 10,
    # c 4 at 200 and 4 at 30. Half of 10 and half of 11 blocks.
    result = export_subset(scores, out=out, by="pixel", per_class=True, top="50%")
    assert (result.pixels_kept, result.pixels_total) == (5 * 16 + 88, 21 * BLOCK_PX)
    assert [manifest(out)[name]["kept_px"] for name in "abcz"] == ["64", "16", "88", "0"]
    with Image.open(out / "labels/b.png") as label:
        assert np.asarray(label)[:2].tolist() == [[7] * 16, [255] * 16]


def test_map_with_unknown_regions_is_refused(scores, out):
    with h5py.File(scores, "a") as file:
        file["region_ids/1x2"][0] = 60_000
    with pytest.raises(StoreError, match="names regions that its table does not have"):
        export_subset(scores, out=out, by="region", top="100%")


def test_failed_image_is_never_selected_whatever_its_numbers_say(scores, out):
    edit(scores, "images/status", 0, "unreadable_image")
    for by in ("image", "region", "pixel"):
        result = export_subset(scores, out=out, by=by, top="100%", overwrite=True)
        assert result.images_selected == 2
        assert manifest(out)["a"]["reason"] == "unreadable_image"
        assert manifest(out)["a"]["selected"] == "False"
