from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from curate.errors import DataError, StoreError, UsageError
from tests.showing.making import SIZE, opened, write_set


def test_columns_of_several_sets_are_joined(two_sets):
    assert two_sets.names == ("one", "other")
    assert two_sets.texts("id") == ["a", "b", "c", "d"]
    np.testing.assert_allclose(two_sets.column("score"), [0.1, 0.8, 0.3, 0.6], rtol=1e-6)
    assert two_sets.set_of.tolist() == [0, 0, 1, 1]


def test_regions_count_the_images_of_all_sets(two_sets):
    assert two_sets.region_column("image").tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert two_sets.region_ends.tolist() == [0, 2, 4, 6, 8]
    classes = two_sets.region_cells(3, "class_id")
    assert classes[0, 0] == 0
    assert classes[0, -1] == 1


def test_cells_are_those_of_the_image(two_sets):
    assert np.unique(two_sets.score_cells(2)).tolist() == [76, 178]  # .3 and .7, in 1/255
    assert np.unique(two_sets.stream_cells(1, "appearance")).tolist() == [204]


def test_stream_without_maps_is_told_by_region(tmp_path):
    sets = opened(write_set(tmp_path, "city", {"a": 0.2}, stream_maps=False))
    cells = sets.stream_cells(0, "appearance")
    assert (cells[0, 0], cells[0, -1]) == (51, 204)  # .2 and 1 - .2


def test_inactive_stream_is_known_by_having_no_scores(sets):
    assert sets.streams == ("appearance", "idle")
    assert sets.active_streams == ("appearance",)


def test_image_of_another_size_is_refused(sets, tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "city/images/c.png")
    with pytest.raises(DataError, match=r"c.png has 20x30 pixels, but had 16x24"):
        sets.read_image(2)
    assert sets.read_image(1).shape == (*SIZE, 3)


def test_moved_data_set_is_read_where_it_is_now(scores, tmp_path):
    (tmp_path / "city").rename(tmp_path / "moved")
    with pytest.raises(DataError, match="does not exist"):
        opened(scores).read_image(0)
    assert opened(scores, dataset=tmp_path / "moved").read_image(0).shape == (*SIZE, 3)


def test_sets_of_one_name_are_told_apart(tmp_path):
    paths = [write_set(tmp_path / part, "city", {"a": 0.5}) for part in ("x", "y")]
    assert opened(*paths).names == ("city (1)", "city (2)")


def test_one_folder_cannot_stand_for_two_sets(tmp_path):
    paths = [write_set(tmp_path, name, {"a": 0.5}) for name in ("x", "y")]
    with pytest.raises(UsageError, match="there are 2 score files"):
        opened(*paths, dataset=tmp_path)


def test_file_named_twice_is_refused(scores):
    with pytest.raises(UsageError, match=r"city\.h5 is named twice"):
        opened(scores, scores)


def test_files_of_two_runs_are_refused(tmp_path, scores):
    other = write_set(tmp_path, "other", {"a": 0.5}, run="another")
    with pytest.raises(StoreError, match=r"these differ: run\. Take together only"):
        opened(scores, other)
