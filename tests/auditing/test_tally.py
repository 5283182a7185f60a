import numpy as np
import pytest

from curate.auditing.tally import tally_image
from curate.records import IGNORE_INDEX


def tally(cells, is_corrupted, label_map=None, region_ids=None):
    """A map of two cells side by side over an image of 4x8 pixels."""
    maps = np.stack([np.array([cells], np.float32)] * 4)
    labels = np.zeros((4, 8), np.uint8) if label_map is None else label_map
    regions = np.array([[0, 1]]) if region_ids is None else region_ids
    return tally_image(maps, labels, is_corrupted, regions)


@pytest.fixture
def left_half():
    """The left cell is spoiled, and a quarter of the right one."""
    is_corrupted = np.zeros((4, 8), bool)
    is_corrupted[:, :5] = True
    return is_corrupted


def test_pixels_are_counted_by_the_score_of_their_cell(left_half):
    found = tally([0.0, 1.0], left_half)
    assert found.bad_px[:, 0].tolist() == [16] * 4
    assert found.bad_px[:, 255].tolist() == [4] * 4
    assert found.good_px[:, 255].tolist() == [12] * 4
    assert (found.good_px.sum(), found.bad_px.sum()) == (4 * 12, 4 * 20)


def test_each_map_is_counted_by_itself(left_half):
    maps = np.array([[[0.0, 1.0]], [[0.2, 0.2]], [[1.0, 0.0]], [[0.5, 0.5]]], np.float32)
    found = tally_image(maps, np.zeros((4, 8), np.uint8), left_half, np.array([[0, 1]]))
    assert found.good_px.argmax(axis=1).tolist() == [255, 51, 0, 128]


def test_silent_stream_is_in_no_count(left_half):
    maps = np.array([*[[[0.0, 1.0]]] * 4, [[np.nan] * 2], [[0.2, 0.2]]], np.float32)
    found = tally_image(maps, np.zeros((4, 8), np.uint8), left_half, np.array([[0, 1]]))
    assert found.good_px.sum(axis=1).tolist() == [12, 12, 12, 12, 0, 12]
    assert found.bad_px[:, 51].tolist() == [0, 0, 0, 0, 0, 20]


def test_ignored_pixels_are_in_no_count(left_half):
    label_map = np.zeros((4, 8), np.uint8)
    label_map[:, :4] = IGNORE_INDEX
    found = tally([0.0, 1.0], left_half, label_map)
    assert (found.good_px[0].sum(), found.bad_px[0].sum()) == (12, 4)
    assert found.region_scores.tolist() == [1.0]
    assert (found.score, found.share) == (1.0, 0.75)


def test_regions_and_image_get_means_over_pixels(left_half):
    found = tally([0.25, 0.75], left_half)
    assert found.region_scores.tolist() == [0.25, 0.75]
    assert found.region_shares.tolist() == [0.0, 0.75]
    assert (found.score, found.share) == (0.5, 12 / 32)


def test_cells_cut_off_by_the_image_count_the_pixels_they_have():
    maps = np.ones((4, 2, 2), np.float32)
    shape = (5, 6)
    found = tally_image(
        maps, np.zeros(shape, np.uint8), np.zeros(shape, bool), np.zeros((2, 2), int)
    )
    assert found.good_px[0, 255] == 30
