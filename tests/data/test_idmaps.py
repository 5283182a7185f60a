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


NEAR = IdMap(
    "near", {7: 0}, frozenset({0}), {(255, 0, 0): 1, (0, 0, 255): 2}, frozenset({(0, 0, 0)}),
    unmapped="nearest", max_distance=100.0,
)  # fmt: skip


def test_blended_colours_are_what_the_nearest_one_is():
    colours = [(255, 0, 0), (200, 0, 40), (30, 10, 200), (20, 20, 20), (128, 255, 0), (0, 0, 255)]
    raw = np.array([colours], np.uint8)
    assert NEAR.apply(raw).tolist() == [[1, 1, 2, 255, 255, 2]]


def test_limit_of_nearness_is_a_distance_in_rgb():
    raw = np.array([[(195, 80, 0), (194, 80, 0)]], np.uint8)  # 60-80-100, and a little more
    assert NEAR.apply(raw).tolist() == [[1, 255]]


def test_nearness_is_for_colours_only():
    with pytest.raises(LabelError, match=r"does not know: 9 \(1 pixels\)"):
        NEAR.apply(np.array([[7, 9]], np.uint8))


def test_many_colours_are_called_blended_edges():
    strict = IdMap("paint", {}, frozenset(), {(255, 0, 0): 0, (0, 0, 255): 1})
    raw = np.zeros((10, 10, 3), np.uint8)
    raw[..., 0] = 255
    raw[0, :3] = [(128, 0, 128), (190, 0, 64), (64, 0, 190)]
    message = r'3\.0% of the pixels\) are edges .* unmapped = "ignore" or "nearest"'
    with pytest.raises(LabelError, match=message):
        strict.apply(raw)


def test_what_is_near_survives_a_score_file():
    assert NEAR.to_json()["max_distance"] == 100.0
    assert "max_distance" not in MAP.to_json()
