from __future__ import annotations

import numpy as np

from curate.showing import crops
from tests.showing.making import opened, write_set
from tests.showing.test_inks import decode


def test_best_and_worst_regions_of_each_class_are_chosen(sets, monkeypatch):
    monkeypatch.setattr(crops, "NUM_CROPS", 2)
    first, second = crops.choose_crops(sets)
    assert (first.name, first.num_regions) == ("a", 6)
    assert [crop.row for crop in first.lowest] == [0, 4]  # scores .1 and .2
    assert [crop.row for crop in first.highest] == [1, 3]  # .9 and .7
    assert [crop.row for crop in second.lowest] == [1, 3]  # what is left to 1
    assert second.lowest[0].box == (0, 12, 16, 24)


def test_image_without_a_score_has_no_crop(sets):
    rows = {crop.row for each in crops.choose_crops(sets) for crop in (*each.lowest, *each.highest)}
    assert 6 not in rows


def test_at_most_one_region_of_an_image_is_shown():
    keys, image = np.array([0.1, 0.2, 0.3, 0.4]), np.array([5, 5, 7, 5])
    assert crops._first_of_each_image(np.arange(4), keys, image) == [0, 2]


def test_without_regions_there_are_no_crops(tmp_path):
    sets = opened(write_set(tmp_path, "city", {"a": 0.2}, levels=["image"]))
    assert crops.choose_crops(sets) == []


def test_regions_are_cut_out(sets, tmp_path):
    (tmp_path / "city/images/b.png").unlink()
    chosen, pictures = crops.choose_crops(sets), {}
    for found in crops.cut_out(sets, chosen):
        pictures |= found
    cut = crops.fill(chosen, pictures)
    shown = {crop.row: crop.picture for crop in (*cut[0].lowest, *cut[0].highest)}
    assert shown[1] == ""  # its image is missing
    assert decode(shown[0]).size == (crops.CROP_PX, crops.CROP_PX)


def test_crop_has_the_region_in_its_middle():
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[40:60, 40:60] = (200, 0, 0)
    cut = crops.draw_crop(pixels, (40, 40, 60, 60))
    middle = crops.CROP_PX // 2
    assert cut.shape == (crops.CROP_PX, crops.CROP_PX, 3)
    assert cut[middle, middle].tolist() == [200, 0, 0]
    assert cut[4, 4].tolist() == [0, 0, 0]
    edge = round(crops.CROP_PX * 0.35 / 1.7)
    assert (cut[middle, edge - 3 : edge + 3].min(axis=-1) > 200).any()  # a white frame


def test_crop_at_the_edge_stays_inside():
    pixels = np.full((30, 20, 3), 90, np.uint8)
    assert crops.draw_crop(pixels, (0, 0, 30, 20)).shape == (crops.CROP_PX, crops.CROP_PX, 3)
    assert crops._centre(28, 30, 10, 30) == 20
    assert crops._centre(0, 2, 10, 30) == 0
