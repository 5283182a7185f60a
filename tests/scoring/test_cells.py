import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.scoring.cells import CellClasses, centre_labels, count_cell_classes


def dense(cells: CellClasses):
    table = np.zeros((*cells.shape, cells.num_classes), dtype=np.int64)
    np.add.at(table.reshape(-1, cells.num_classes), (cells.cell, cells.class_id), cells.count)
    return table


def test_cells_at_the_border_are_cut_off():
    label_map = np.array([[0, 0, 1], [0, 255, 1], [1, 1, 1]], dtype=np.uint8)
    cells = count_cell_classes(label_map, num_classes=2, stride=2)
    assert dense(cells).tolist() == [[[3, 0], [0, 2]], [[0, 2], [0, 1]]]
    assert cells.valid_px == 8
    assert cells.class_px().tolist() == [3, 5]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_counts_are_those_of_every_single_pixel(height, width, stride, seed):
    rng = np.random.default_rng(seed)
    label_map = rng.choice(np.array([0, 0, 1, 2, 255], dtype=np.uint8), (height, width))
    expected = np.zeros((-(-height // stride), -(-width // stride), 3), dtype=np.int64)
    for (row, column), label in np.ndenumerate(label_map):
        if label < 3:
            expected[row // stride, column // stride, label] += 1
    cells = count_cell_classes(label_map, num_classes=3, stride=stride)
    assert dense(cells).tolist() == expected.tolist()
    assert (cells.count > 0).all()
    assert len(set(zip(cells.cell, cells.class_id, strict=True))) == len(cells.cell)


def test_means_count_pixels_not_cells():
    cells = count_cell_classes(np.array([[0, 0, 1]], dtype=np.uint8), num_classes=3, stride=2)
    scores = np.array([[0.25, 1.0]], dtype=np.float32)
    sums = cells.add_up(scores[None])
    assert cells.mean(sums) == pytest.approx([0.5])
    means = cells.mean_by(cells.class_id, sums[0], cells.class_px())
    assert means[:2].tolist() == [0.25, 1.0]
    assert np.isnan(means[2])


def test_mean_over_ignored_pixels_alone_is_nan():
    cells = count_cell_classes(np.full((2, 2), 255, dtype=np.uint8), num_classes=2, stride=2)
    assert np.isnan(cells.mean(cells.add_up(np.ones((2, 1, 1))))).tolist() == [True, True]


def test_centre_labels_of_cut_off_cells_stay_inside():
    label_map = np.arange(25, dtype=np.uint8).reshape(5, 5)
    assert centre_labels(label_map, 4).tolist() == [[12, 14], [22, 24]]
