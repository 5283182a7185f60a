from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import curate.selection
from curate.errors import UsageError
from curate.selection import (
    NUM_LEVELS,
    expand_cells,
    keep_mask,
    make_cut,
    parse_share,
    rank,
    select,
    select_pixels,
)

NAN = float("nan")


def test_examples_hold():
    assert doctest.testmod(curate.selection).failed == 0


@pytest.mark.parametrize(
    ("text", "share"),
    [("30%", 0.3), ("0.3", 0.3), (".3", 0.3), (" 30 % ", 0.3), (0.3, 0.3), ("100%", 1.0),
     ("1.0", 1.0), (1.0, 1.0), ("0.5%", 0.005), ("2.5e-1", 0.25)],
)  # fmt: skip
def test_shares_are_read(text, share):
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["30", "30.0", 30, 30.0])
def test_bare_number_is_refused_with_both_right_spellings(text):
    with pytest.raises(UsageError, match=r"is ambiguous as a share: write 30% or 0\.3\."):
        parse_share(text)


@pytest.mark.parametrize("text", ["1", 1])
def test_bare_one_could_be_a_hundredth_or_all(text):
    with pytest.raises(UsageError, match=r"1% or 0\.01 .*, 100% or 1\.0 for all"):
        parse_share(text)


def test_number_above_a_hundred_is_pointed_to_the_count():
    with pytest.raises(UsageError, match="goes into --count"):
        parse_share("500")


@pytest.mark.parametrize("text", ["0", "0%", "101%", "0.0"])
def test_share_out_of_range_is_refused(text):
    with pytest.raises(UsageError, match="is out of range"):
        parse_share(text)


@pytest.mark.parametrize("text", ["", "%", "nan", "inf", "-0.3", "0,3", "30%%", "1_0%", "x", True])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(UsageError, match=r"is no share: write it as 30% or as 0\.3"):
        parse_share(text)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "none of them given"),
        ({"top": "30%", "count": 3}, "--top and --count given"),
        ({"count": 0}, "--count 0 keeps nothing"),
        ({"threshold": 1.5}, r"--threshold 1\.5 is no score"),
        ({"threshold": NAN}, "--threshold nan is no score"),
    ],
)
def test_contradictory_cuts_are_refused(arguments, text):
    with pytest.raises(UsageError, match=text):
        make_cut(**arguments)


@pytest.mark.parametrize(
    ("share", "total", "kept"),
    [(0.3, 10, 3), (0.3, 5, 2), (0.29, 50, 15), (0.25, 10, 3), (0.01, 3, 1), (1.0, 7, 7),
     (0.5, 0, 0), (0.1, 15, 2)],
)  # fmt: skip
def test_share_rounds_half_up_and_keeps_at_least_one(share, total, kept):
    assert make_cut(top=share).num_kept(total, lambda _: 0) == kept


def test_best_come_first_and_ties_in_order():
    assert rank(np.array([0.1, 0.9, NAN, 0.9, 0.5])).tolist() == [4, 1, 0, 2, 3]


def test_nothing_without_a_score_is_ever_selected():
    scores = np.array([NAN, 0.1, NAN, 0.3])
    for cut in (make_cut(top="100%"), make_cut(count=4), make_cut(threshold=0)):
        assert select(scores, cut).tolist() == [False, True, False, True]
    assert not select(np.full(3, NAN), make_cut(top="100%")).any()
    assert select(np.empty(0), make_cut(top="100%")).tolist() == []


def test_threshold_keeps_all_that_reach_it():
    scores = np.array([0.5, 0.4999, 0.6, NAN])
    assert select(scores, make_cut(threshold=0.5)).tolist() == [True, False, True, False]


def test_count_keeps_the_best():
    assert select(np.array([0.2, 0.5, 0.5, 0.9]), make_cut(count=2)).tolist() == [
        False, True, False, True,
    ]  # fmt: skip


def pixels(rows):
    """Histograms of images given as lists of levels."""
    return np.array([np.bincount(row, minlength=NUM_LEVELS) for row in rows])


def test_pixel_quota_is_exact_and_ties_go_to_the_first_images():
    cut = select_pixels(pixels([[9, 5, 5], [5, 5, 1], [9, 9]]), make_cut(top=0.75))
    assert cut.level == 5
    assert cut.kept.tolist() == [3, 1, 2]
    assert cut.at_level.tolist() == [2, 1, 0]


def test_pixel_threshold_counts_in_stored_levels():
    histograms = pixels([[127, 128, 255], [0, 0, 0]])
    cut = select_pixels(histograms, make_cut(threshold=0.5))
    assert cut.kept.tolist() == [2, 0]
    assert select_pixels(histograms, make_cut(threshold=128 / 255)).kept.tolist() == [2, 0]
    assert select_pixels(histograms, make_cut(threshold=1)).kept.tolist() == [1, 0]


def test_threshold_above_all_pixels_keeps_none():
    cut = select_pixels(pixels([[3]]), make_cut(threshold=0.9))
    assert (cut.level, cut.kept.tolist()) == (NUM_LEVELS, [0])


def test_all_pixels_can_be_kept():
    cut = select_pixels(pixels([[0, 7], [0]]), make_cut(count=99))
    assert cut.kept.tolist() == [2, 1]


def test_counts_of_pixels_do_not_overflow():
    histograms = np.zeros((3, NUM_LEVELS), np.uint32)
    histograms[:, 9] = 2**32 - 1
    cut = select_pixels(histograms, make_cut(top="100%"))
    assert cut.kept.tolist() == [2**32 - 1] * 3


@given(
    images=st.lists(st.lists(st.integers(0, 5), max_size=6), min_size=1, max_size=4).filter(any),
    share=st.floats(0.001, 1),
)
def test_kept_pixels_agree_with_sorting_all_of_them(images, share):
    cut = select_pixels(pixels([np.array(row, int) for row in images]), make_cut(top=share))
    flat = np.array([level for row in images for level in row])
    expected = select(flat.astype(float), make_cut(top=share))
    marked = [
        keep_mask(np.array([row], np.uint8), np.ones((1, len(row)), bool), cut.level, count)[0]
        for row, count in zip(images, cut.at_level, strict=True)
    ]
    assert np.concatenate(marked).tolist() == expected.tolist()
    assert [int(mask.sum()) for mask in marked] == cut.kept.tolist()


def test_ignored_pixels_are_never_kept():
    levels = np.array([[9, 9, 5], [5, 5, 0]], np.uint8)
    is_valid = np.array([[True, False, False], [True, True, True]])
    keep = keep_mask(levels, is_valid, level=5, at_level=1)
    assert keep.tolist() == [[True, False, False], [True, False, False]]


def test_cells_are_repeated_and_cut_off():
    cells = np.array([[1, 2], [3, 4]])
    assert expand_cells(cells, 3, 4, 2).tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4]]
