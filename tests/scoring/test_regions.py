import numpy as np
import pytest

from curate.scoring.cells import count_cell_classes
from curate.scoring.regions import (
    REGION_KINDS,
    component_regions,
    grid_regions,
    label_tile_regions,
    outline_regions,
    renumber,
    slic_regions,
)


def no_pixels():
    raise AssertionError


def pixels_of(image):
    return lambda: image


def test_components_separate_touching_classes_and_distant_parts():
    labels = np.array([[0, 1, 0], [0, 1, 0]], dtype=np.uint8)
    assert component_regions(labels, 1, no_pixels).tolist() == [[0, 1, 2], [0, 1, 2]]


def test_components_give_ignored_cells_a_region_too():
    labels = np.array([[255, 0]], dtype=np.uint8)
    assert component_regions(labels, 1, no_pixels).tolist() == [[0, 1]]


def test_grid_counts_rows_then_columns():
    labels = np.zeros((3, 3), dtype=np.uint8)
    assert grid_regions(labels, 2, no_pixels).tolist() == [[0, 0, 1], [0, 0, 1], [2, 2, 3]]


def test_label_tiles_cross_neither_labels_nor_squares():
    labels = np.array([[0, 1, 1, 1], [1, 0, 1, 255]], dtype=np.uint8)
    ids = label_tile_regions(labels, 2, no_pixels)
    # what class 0 shows of the left square is one region, though its cells only meet at a corner
    assert ids.tolist() == [[0, 1, 2, 2], [1, 0, 2, 3]]


def test_slic_follows_a_strong_edge():
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    image[:, 4:] = 255
    ids = slic_regions(np.zeros((8, 8), dtype=np.uint8), 4, pixels_of(image))
    assert not set(ids[:, :4].ravel()) & set(ids[:, 4:].ravel())


def test_slic_of_an_image_smaller_than_a_region_is_one_region():
    assert slic_regions(np.zeros((2, 2), dtype=np.uint8), 12, no_pixels).tolist() == [[0, 0]] * 2


@pytest.mark.parametrize("name", REGION_KINDS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 5), (23, 30)])
def test_every_kind_numbers_its_regions_without_a_gap(name, size):
    rng = np.random.default_rng(0)
    labels = rng.choice(np.array([0, 3, 255], dtype=np.uint8), size)
    image = rng.integers(0, 255, (*size, 3), dtype=np.uint8)
    ids = REGION_KINDS[name](labels, 4.0, pixels_of(image))
    assert ids.shape == size
    assert ids.dtype == np.int64
    assert np.unique(ids).tolist() == list(range(ids.max() + 1))


def test_renumbering_keeps_the_order():
    assert renumber(np.array([[7, 7], [2, 9]])).tolist() == [[1, 1], [0, 2]]


def test_regions_are_described_in_pixels_of_the_original():
    # a 3 x 5 image at stride 2: cells of 2x2, 2x2, 2x1 pixels above, 1x2, 1x2, 1x1 below
    label_map = np.full((3, 5), 255, dtype=np.uint8)
    label_map[:2, :2] = 0
    label_map[0, 2] = 1
    cells = count_cell_classes(label_map, num_classes=2, stride=2)
    region_ids = np.array([[0, 0, 1], [0, 1, 1]])
    table = outline_regions(region_ids, cells, stride=2, height=3, width=5)
    assert table.area_px.tolist() == [4 + 4 + 2, 2 + 2 + 1]
    assert table.valid_px.tolist() == [5, 0]
    assert table.class_id.tolist() == [0, 255]
    assert (table.top.tolist(), table.bottom.tolist()) == ([0, 0], [3, 3])
    assert (table.left.tolist(), table.right.tolist()) == ([0, 2], [4, 5])
    assert np.isnan(table.score).all()
