"""What corruptions of labels do to images that are easy to work out."""

import numpy as np

from curate.corruptions import LabelledImage
from curate.records import IGNORE_INDEX
from tests.corruptions.making import apply, as_one_superpixel, make_source, with_object


def test_wrong_label_never_keeps_the_most_frequent_class():
    two = as_one_superpixel(make_source(label_map=with_object()))
    found = apply("wrong_label", two, near=1, part=1)
    assert (found.label_map == 1).all()
    assert (found.is_corrupted == (with_object() == 0)).all()


def test_labels_move_down_by_a_quarter_turn():
    found = apply("shifted_label", make_source(label_map=with_object()), distance=0.25, angle=0.25)
    assert (found.label_map[4:7, 2:5] == 1).all()
    assert (found.label_map == 1).sum() == 9
    assert found.is_corrupted.sum() == 2 * 6  # two rows left, two rows won


def test_shift_neither_gives_nor_takes_a_class_where_one_is_unknown():
    label_map = with_object()
    label_map[6] = IGNORE_INDEX
    found = apply("shifted_label", make_source(label_map=label_map), distance=0.25, angle=0.25)
    assert ((found.label_map == IGNORE_INDEX) == (label_map == IGNORE_INDEX)).all()


def test_labels_of_objects_grow_or_shrink():
    areas = set()
    for seed in range(8):
        found = apply("eroded_label", make_source(label_map=with_object()), seed=seed, reach=0.13)
        areas.add(int((found.label_map == 1).sum()))
    assert areas == {1, 9 + 12}  # one pixel off each side, or one on each side


def test_labels_of_a_4x4_image_move_right_by_one():
    label_map = np.array([[0, 0, 1, 1]] * 3 + [[0, 0, 1, 255]], np.uint8)
    image = np.zeros((3, 4, 4), np.uint8)
    found = apply(
        "shifted_label", LabelledImage(image, label_map, image, label_map), distance=0.25, angle=0
    )
    assert found.label_map.tolist() == [[0, 0, 0, 1]] * 3 + [[0, 0, 0, 255]]
    assert found.is_corrupted.tolist() == [[False, False, True, False]] * 4
    assert (found.image == image).all()
