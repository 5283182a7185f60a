import numpy as np
import pytest

from curate.regions import (
    component_regions,
    count_cell_classes,
    describe_regions,
    grid_regions,
    slic_regions,
    weighted_mean,
)

NO_IMAGE = np.zeros((1, 1, 3), dtype=np.uint8)


def test_cells_at_the_border_are_cut_off():
    label_map = np.array([[0, 0, 1], [0, 255, 1], [1, 1, 1]], dtype=np.uint8)
    counts = count_cell_classes(label_map, num_classes=2, stride=2)
    assert counts.tolist() == [[[3, 0], [0, 2]], [[0, 2], [0, 1]]]


def test_components_separate_touching_classes_and_distant_parts():
    labels = np.array([[0, 1, 0], [0, 1, 0]], dtype=np.uint8)
    ids = component_regions(NO_IMAGE, labels, 1)
    assert ids.tolist() == [[0, 1, 2], [0, 1, 2]]


def test_components_give_ignored_cells_a_region_too():
    labels = np.array([[255, 0]], dtype=np.uint8)
    assert component_regions(NO_IMAGE, labels, 1).tolist() == [[0, 1]]


def test_grid_counts_rows_then_columns():
    labels = np.zeros((3, 3), dtype=np.uint8)
    assert grid_regions(NO_IMAGE, labels, 2).tolist() == [[0, 0, 1], [0, 0, 1], [2, 2, 3]]


def test_slic_follows_a_strong_edge():
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    image[:, 4:] = 255
    ids = slic_regions(image, np.zeros((8, 8), dtype=np.uint8), 4)
    assert not set(ids[:, :4].ravel()) & set(ids[:, 4:].ravel())


def test_slic_of_an_image_smaller_than_a_region_is_one_region():
    image = np.zeros((2, 2, 3), dtype=np.uint8)
    assert slic_regions(image, np.zeros((2, 2), dtype=np.uint8), 12).tolist() == [[0, 0], [0, 0]]


def test_weighted_mean_of_an_empty_group_is_nan():
    means = weighted_mean(np.array([1.0, 0.0, 0.5]), np.array([3, 1, 0]), np.array([0, 0, 1]), 3)
    assert means[0] == 0.75
    assert np.isnan(means[1:]).all()


def test_regions_are_described_in_pixels_of_the_original():
    # a 3 x 5 image at stride 2: cells of 2x2, 2x2, 2x1 pixels above, 1x2, 1x2, 1x1 below
    region_ids = np.array([[0, 0, 1], [0, 1, 1]])
    counts = np.zeros((2, 3, 2), dtype=np.int64)
    counts[0, 0] = [4, 0]
    counts[0, 1] = [0, 1]
    scores = np.array([[1.0, 0.0, 0.3], [0.5, 0.3, 0.3]], dtype=np.float32)
    table = describe_regions(region_ids, counts, scores, stride=2, height=3, width=5)
    assert table.area_px.tolist() == [4 + 4 + 2, 2 + 2 + 1]
    assert table.valid_px.tolist() == [5, 0]
    assert table.class_id.tolist() == [0, 255]
    assert (table.top.tolist(), table.bottom.tolist()) == ([0, 0], [3, 3])
    assert (table.left.tolist(), table.right.tolist()) == ([0, 2], [4, 5])
    assert table.score[0] == pytest.approx(0.8)
    assert np.isnan(table.score[1])
