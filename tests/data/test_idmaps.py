from __future__ import annotations

import pickle

import numpy as np
import pytest

from curate.data.idmaps import IdMap
from curate.errors import LabelError

MAP = IdMap("mine", {7: 0, 300: 1}, frozenset({0, 255}))
COLOURS = IdMap("paint", {}, frozenset(), {(255, 0, 0): 0, (0, 0, 1): 253})


def test_ids_become_classes_and_known_ones_ignore():
    raw = np.array([[7, 0], [255, 7]], np.uint8)
    assert MAP.apply(raw).tolist() == [[0, 255], [255, 0]]
    assert MAP.apply(raw).dtype == np.uint8


def test_ids_may_have_16_bits():
    assert MAP.apply(np.array([[7, 300]], np.uint16)).tolist() == [[0, 1]]


def test_unmapped_ids_are_listed_with_their_pixel_counts():
    with pytest.raises(
        LabelError, match=r"'mine' does not know: 9 \(2 pixels\), 8 \(1 pixels\)"
    ) as e:
        MAP.apply(np.array([[7, 8], [9, 9]], np.uint8))
    assert e.value.code == "unmapped_ids"


def test_long_lists_of_unmapped_ids_are_cut():
    with pytest.raises(LabelError, match="and 190 more"):
        MAP.apply(np.arange(50, 250, dtype=np.uint8).reshape(10, 20))


def test_unmapped_ids_may_be_ignored():
    lenient = IdMap("mine", {7: 0}, unmapped="ignore")
    assert lenient.apply(np.array([[7, 8]], np.uint8)).tolist() == [[0, 255]]


def test_colours_become_classes():
    raw = np.array([[[255, 0, 0], [0, 0, 1], [255, 255, 255]]], np.uint8)
    assert COLOURS.apply(raw).tolist() == [[0, 253, 255]]


def test_unmapped_colours_are_listed():
    with pytest.raises(LabelError, match=r"colours .* #010203 \(1 pixels\)"):
        COLOURS.apply(np.array([[[1, 2, 3]]], np.uint8))


def test_ids_where_only_colours_are_mapped_are_unmapped():
    with pytest.raises(LabelError, match=r"0 \(1 pixels\)"):
        COLOURS.apply(np.zeros((1, 1), np.uint8))


def test_largest_ignored_id_of_8_bits_is_used_for_masking():
    assert MAP.choose_ignore_id() == 255
    assert IdMap("m", {255: 0}, frozenset({3, 4, 999})).choose_ignore_id() == 4
    assert IdMap("m", {255: 0}, frozenset(), unmapped="ignore").choose_ignore_id() == 254


def test_masking_needs_an_ignored_id():
    with pytest.raises(LabelError, match="List one under 'ignore'") as caught:
        IdMap("m", {255: 0}, frozenset({999})).choose_ignore_id()
    assert caught.value.code == "no_ignore_id"


def test_ignored_colour_is_used_for_masking():
    assert COLOURS.choose_ignore_colour() == (255, 255, 255)
    white_is_sky = {(255, 255, 255): 0}
    lenient = IdMap("m", {}, frozenset(), white_is_sky, frozenset(), unmapped="ignore")
    assert lenient.choose_ignore_colour() == (255, 255, 254)
    with pytest.raises(LabelError, match="List one under 'ignore'"):
        IdMap("m", {}, frozenset(), white_is_sky, frozenset()).choose_ignore_colour()


def test_json_does_not_depend_on_order():
    other = IdMap("mine", {300: 1, 7: 0}, frozenset({255, 0}))
    assert list(MAP.to_json()["ids"].items()) == [("7", 0), ("300", 1)]
    assert str(other.to_json()) == str(MAP.to_json())
    assert COLOURS.to_json()["colours"] == {"#000001": 253, "#ff0000": 0}


def test_used_map_reaches_worker_processes():
    MAP.apply(np.array([[7]], np.uint8))
    assert pickle.loads(pickle.dumps(MAP)) == MAP


def test_used_map_fits_into_a_pipe():
    id_map = IdMap("a", {7: 0}, colours={(1, 2, 3): 0})
    id_map.apply(np.array([[7]]))
    id_map.apply(np.array([[[1, 2, 3]]], dtype=np.uint8))
    assert len(pickle.dumps(id_map)) < 1000
