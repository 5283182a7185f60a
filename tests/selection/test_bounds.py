from __future__ import annotations

import numpy as np
import pytest

from curate.errors import UsageError
from curate.selection import bounds
from curate.selection.cuts import make_cut
from curate.selection.settings import ExportSettings

NONE = np.inf


def limits(floors=(0, 0), quotas=(NONE, NONE)):
    return bounds.Bounds(np.array(floors, float), np.array(quotas, float))


KEYS = np.array([0.9, 0.8, np.nan, 0.4, 0.1])
CLASS_PX = np.array([[10, 0], [10, 0], [0, 9], [8, 2], [5, 5]])
PX = CLASS_PX.sum(axis=1)


def mixed(cut, **changes):
    found = bounds.select_units(KEYS, make_cut(**cut), PX, CLASS_PX, limits(**changes))
    return np.flatnonzero(found.is_selected).tolist(), found


def test_floor_takes_the_best_that_show_the_class_before_the_cut_is_filled():
    assert mixed({"count": 2})[0] == [0, 1]
    rows, found = mixed({"count": 2}, floors=(0, 2))
    assert rows == [0, 3]
    assert found.floor_of.tolist() == [-1, -1, -1, 1, -1]
    assert mixed({"count": 2}, floors=(0, 3))[0] == [3, 4]  # two are needed: none is left


def test_floor_that_needs_more_than_the_cut_is_reached_all_the_same():
    assert mixed({"count": 1}, floors=(0, 7))[0] == [3, 4]
    assert mixed({"count": 1}, floors=(0, 99))[0] == [3, 4]  # all that there is


def test_quota_passes_over_what_would_exceed_it():
    # 10 of class 0 are allowed: image 0 is taken, 1 would be 20, 3 would be 18, 4 would be 15
    rows, found = mixed({"count": 3}, quotas=(10, NONE))
    assert rows == [0]
    assert np.flatnonzero(found.is_over).tolist() == [1, 3, 4]
    rows, found = mixed({"count": 2}, quotas=(15, NONE))
    assert (rows, np.flatnonzero(found.is_over).tolist()) == ([0, 4], [1, 3])


def test_floors_go_before_quotas():
    rows, found = mixed({"count": 5}, floors=(0, 7), quotas=(1, NONE))
    assert rows == [3, 4]
    assert np.flatnonzero(found.is_over).tolist() == [0, 1]


def test_other_cuts_are_filled_as_they_say():
    assert mixed({"pixels": 15}, floors=(0, 2))[0] == [0, 3]  # 10 for the floor, then 5 more
    assert mixed({"pixels": 10}, floors=(0, 2))[0] == [3]
    assert mixed({"threshold": 0.5}, floors=(0, 2))[0] == [0, 1, 3]
    assert mixed({"top": "50%"}, quotas=(15, NONE))[0] == [0, 4]
    assert mixed({"pixels": 11}, quotas=(15, NONE))[0] == [0, 4]
    assert mixed({"threshold": 0.2}, quotas=(15, NONE))[0] == [0]


def histogram(**levels):
    found = np.zeros((2, 256), np.int64)
    for name, row in (("a", 0), ("b", 1)):
        for level, count in levels.get(name, {}).items():
            found[row, level] = count
    return found


def test_pixels_are_bounded_to_the_very_number():
    seen = histogram(a={200: 6, 50: 4}, b={100: 10})

    def counts(cut, **changes):
        return bounds.bound_counts(seen, make_cut(**cut), limits(**changes))

    assert counts({"count": 8}) == [6, 2]
    assert counts({"count": 8}, floors=(0, 5)) == [3, 5]
    assert counts({"count": 8}, quotas=(4, NONE)) == [4, 4]
    assert counts({"count": 8}, floors=(0, 9)) == [0, 9]
    assert counts({"count": 20}, quotas=(4, 5)) == [4, 5]
    assert counts({"threshold": 0.5}, floors=(8, 2)) == [8, 2]


def test_ties_are_shared_out_by_their_numbers():
    seen = histogram(a={7: 6}, b={7: 2})
    assert bounds.bound_counts(seen, make_cut(count=4), limits()) == [3, 1]


def asked(**changes):
    settings = ExportSettings(count=1, **changes)
    return bounds.find_bounds(settings, ("road", "sign"), np.array([100, 10]))


def test_shares_are_of_the_pixels_of_each_class():
    assert asked() is None
    floors, quotas = asked(min_class_share="20%", floors=["sign=0.5"], quotas=["road=30%"])
    assert floors.tolist() == [20, 5]
    assert quotas.tolist() == [30, np.inf]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"floors": ["sing=50%"]}, "--floor sing: there is no such class. Did you mean 'sign'"),
        ({"quotas": ["50%"]}, "--quota 50% names no class: write it as --quota sign=40%"),
        ({"floors": ["sign=1%", "sign=2%"]}, "--floor names class 'sign' twice"),
        ({"floors": ["sign=40"]}, "ambiguous as a share: write 40% or 0.4"),
        (
            {"min_class_share": "50%", "quotas": ["road=40%"]},
            "class 'road' is to keep at least 50.0% and at most 40.0%",
        ),
    ],
)
def test_bounds_that_make_no_sense_are_refused(changes, text):
    with pytest.raises(UsageError, match=text):
        asked(**changes)
