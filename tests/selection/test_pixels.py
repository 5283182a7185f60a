from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import curate.selection.pixels
from curate.selection.cuts import make_cut, select, select_per_class
from curate.selection.pixels import (
    NUM_LEVELS,
    KeptPixels,
    count_levels,
    cut_pixels,
    group_per_class,
    one_group,
)


def choose(images, cut, group_of=None, labels=None):
    """Choose among images given as rows of levels; returns kept counts and masks."""
    group_of = one_group() if group_of is None else group_of
    rows = [np.array([row], np.uint8).reshape(1, -1) for row in images]
    labels = labels or [[0] * len(row) for row in images]
    labels = [np.array([row], np.uint8).reshape(1, -1) for row in labels]
    pairs = list(zip(rows, labels, strict=True))
    total = sum(count_levels(*pair, group_of) for pair in pairs)
    kept = KeptPixels(cut_pixels(total, cut), group_of, len(rows))
    for row, pair in enumerate(pairs):
        kept.add(row, count_levels(*pair, group_of))
    masks = [kept.mask(row, *pair)[0].tolist() for row, pair in enumerate(pairs)]
    assert [sum(mask) for mask in masks] == kept.counts.tolist()
    return kept.counts.tolist(), masks


def test_examples_hold():
    assert doctest.testmod(curate.selection.pixels).failed == 0


def test_quota_is_exact_and_ties_go_to_the_first_images():
    counts, masks = choose([[9, 5, 5], [5, 5, 1], [9, 9]], make_cut(top=0.75))
    assert counts == [3, 1, 2]
    assert masks == [[True, True, True], [True, False, False], [True, True]]


def test_threshold_counts_in_stored_levels():
    images = [[127, 128, 255], [0, 0, 0]]
    assert choose(images, make_cut(threshold=0.5))[0] == [2, 0]
    assert choose(images, make_cut(threshold=128 / 255))[0] == [2, 0]
    assert choose(images, make_cut(threshold=1))[0] == [1, 0]


def test_threshold_above_all_pixels_keeps_none():
    cut = cut_pixels(np.eye(1, NUM_LEVELS, 3, dtype=int), make_cut(threshold=0.9))
    assert (cut.level.tolist(), cut.quota.tolist()) == ([NUM_LEVELS], [0])
    assert choose([[3]], make_cut(threshold=0.9)) == ([0], [[False]])


def test_all_pixels_can_be_kept():
    assert choose([[0, 7], [0]], make_cut(count=99))[0] == [2, 1]


def test_budget_of_pixels_is_their_count():
    assert choose([[0, 7], [9]], make_cut(pixels=2)) == ([1, 1], [[False, True], [True]])


def test_counts_of_pixels_do_not_overflow():
    histogram = np.zeros((1, NUM_LEVELS), np.int64)
    histogram[0, 9] = 2**40
    cut = cut_pixels(histogram, make_cut(top="100%"))
    assert (cut.level.tolist(), cut.quota.tolist()) == ([9], [2**40])


def test_ignored_pixels_are_neither_counted_nor_kept():
    counts, masks = choose([[9, 9, 9]], make_cut(top="100%"), labels=[[0, 255, 1]])
    assert (counts, masks) == ([2], [[True, False, True]])


def test_share_is_taken_within_each_class():
    # Class 0 has 9, 8, 7, 6 and class 1 has 3, 2: the best half of each.
    counts, masks = choose(
        [[9, 3, 8], [7, 6, 2]],
        make_cut(top="50%"),
        group_per_class(2),
        [[0, 1, 0], [0, 0, 1]],
    )
    assert counts == [3, 0]
    assert masks == [[True, True, True], [False, False, False]]


def test_classes_that_the_score_file_does_not_know_are_never_kept():
    counts, _ = choose([[9, 9]], make_cut(top="100%"), group_per_class(2), [[1, 2]])
    assert counts == [1]


def test_no_pixel_at_all_keeps_nothing():
    assert choose([[], [4]], make_cut(top="50%"), labels=[[], [255]]) == ([0, 0], [[], [False]])


rows = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0, 1, 2, 255])), max_size=6)
cuts = st.one_of(
    st.floats(0.001, 1).map(lambda share: make_cut(top=share)),
    st.integers(1, 9).map(lambda count: make_cut(count=count)),
    st.integers(0, 5).map(lambda level: make_cut(threshold=level / 255)),
)


@pytest.mark.parametrize("is_per_class", [False, True])
@given(images=st.lists(rows, min_size=1, max_size=4), cut=cuts)
def test_kept_pixels_agree_with_sorting_all_of_them(is_per_class, images, cut):
    levels = [[level for level, _ in image] for image in images]
    labels = [[label for _, label in image] for image in images]
    _, masks = choose(levels, cut, group_per_class(3) if is_per_class else one_group(), labels)
    class_id = np.array([label for image in labels for label in image], int)
    scores = np.array([level for image in levels for level in image], float) / 255
    scores[class_id == 255] = np.nan
    expected = select_per_class(scores, class_id, cut) if is_per_class else select(scores, cut)
    assert [kept for mask in masks for kept in mask] == expected.tolist()
