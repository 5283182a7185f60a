from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import curate.selection.cuts
from curate.errors import UsageError
from curate.selection.cuts import (
    expand_cells,
    make_cut,
    parse_share,
    rank,
    select,
    select_per_class,
)

NAN = float("nan")


def test_examples_hold():
    assert doctest.testmod(curate.selection.cuts).failed == 0


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
        ({"pixels": 0}, "--pixels 0 keeps nothing"),
        ({"count": 1, "pixels": 2}, "--count and --pixels given: give exactly one of"),
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


def test_pixels_are_reached_with_the_last_one_whole():
    scores = np.array([0.5, NAN, 0.9, 0.5, 0.1])
    px = np.array([10, 99, 4, 10, 10])
    kept = [select(scores, make_cut(pixels=n), px).tolist() for n in (1, 4, 5, 14, 15, 99)]
    assert kept == [
        [False, False, True, False, False],
        [False, False, True, False, False],
        [True, False, True, False, False],
        [True, False, True, False, False],
        [True, False, True, True, False],
        [True, False, True, True, True],
    ]


def test_pixel_budget_of_nothing_scored_keeps_nothing():
    assert not select(np.full(2, NAN), make_cut(pixels=5), np.array([1, 2])).any()


def test_share_is_taken_within_each_class():
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.1, NAN, 0.2])
    class_id = np.array([3, 3, 3, 3, 0, 0, 0])
    kept = select_per_class(scores, class_id, make_cut(top="50%"))
    assert kept.tolist() == [True, True, False, False, False, False, True]
    kept = select_per_class(scores, class_id, make_cut(count=1))
    assert np.flatnonzero(kept).tolist() == [0, 6]
    px = np.array([5, 5, 5, 5, 9, 9, 9])
    kept = select_per_class(scores, class_id, make_cut(pixels=10), px)
    assert np.flatnonzero(kept).tolist() == [0, 1, 4, 6]
    assert select_per_class(np.empty(0), np.empty(0, int), make_cut(count=1)).tolist() == []


@given(
    scores=st.lists(st.sampled_from([NAN, 0.0, 0.1, 0.5, 1.0]), max_size=9),
    share=st.floats(0.001, 1),
)
def test_selected_are_those_of_the_highest_ranks(scores, share):
    scores = np.array(scores, float)
    cut = make_cut(top=share)
    ranks = rank(scores)
    num_kept = cut.num_kept(int(ranks.max(initial=0)), lambda _: 0)
    expected = (ranks > 0) & (ranks <= num_kept)
    assert select(scores, cut).tolist() == expected.tolist()


def test_cells_are_repeated_and_cut_off():
    cells = np.array([[1, 2], [3, 4]])
    assert expand_cells(cells, 3, 4, 2).tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4]]
