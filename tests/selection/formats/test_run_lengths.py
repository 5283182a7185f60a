from __future__ import annotations

import numpy as np

from curate.selection.formats.run_lengths import describe_classes, measure_runs, pack
from tests.selection.formats.readers import decode_runs


def test_runs_go_down_the_columns_and_begin_outside():
    mask = np.array([[1, 0, 0], [1, 0, 1]], bool)
    assert measure_runs(mask).tolist() == [0, 2, 3, 1]
    assert measure_runs(~mask).tolist() == [2, 3, 1]


def test_letters_are_those_of_coco():
    """By hand: 5 -> '5', 40 -> 8 with a flag, then 1; the fourth is stored less the second."""
    assert pack(np.array([5])) == "5"
    assert pack(np.array([40])) == "X1"
    assert pack(np.array([1, 2, 3, 4])) == "1232"
    assert pack(np.array([1, 9, 3, 4])) == "193K"  # -5: 27, without a flag


def test_lengths_of_any_size_come_back():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 2 ** rng.integers(1, 14, 1000))
    mask = np.repeat(np.arange(1000) % 2 == 1, lengths)[None]
    rle = {"counts": pack(measure_runs(mask)), "size": mask.shape}
    np.testing.assert_array_equal(decode_runs(rle), mask)


def test_classes_that_are_not_there_are_left_out():
    ids = np.array([[1, 255], [1, 7]], np.uint8)
    (found,) = describe_classes(ids, {0: "road", 1: "sky"})
    assert (found["id"], found["area"], found["bbox"]) == (1, 2, [0, 0, 1, 2])
