"""What corruptions of content do to images that are easy to work out."""

import numpy as np
import pytest

from curate.corruptions.content import spread
from curate.records import IGNORE_INDEX
from tests.corruptions.making import apply, as_one_superpixel, make_source, with_object


def test_wrong_scale_reads_nearer_to_the_middle():
    one_superpixel = as_one_superpixel(make_source())
    found = apply("wrong_scale", one_superpixel, factor=2.0)
    # the middle is at column 3.5: column 0 reads column 1.75, grey 10 + 30 * 1.75
    assert found.image[0, 0].tolist() == [62, 78, 92, 108, 122, 138, 152, 168]


def test_content_is_pasted_only_where_its_class_is_known_and_another():
    donor = np.zeros((8, 8), np.uint8)
    donor[:, 2:4] = 1
    donor[:, 4:6] = IGNORE_INDEX
    found = apply("pasted", make_source(donor_label_map=donor), down=0, across=0, match=0)
    assert found.is_corrupted[0].tolist() == [False, False, True, True, *[False] * 4]
    assert found.image[0, 0, 2:4].tolist() == [200, 200]


def test_matched_content_has_the_mean_of_what_it_replaces():
    donor = np.ones((8, 8), np.uint8)
    found = apply("pasted", make_source(donor_label_map=donor), down=0, across=0, match=1)
    assert np.unique(found.image).tolist() == [115]


def test_missing_object_is_gone_from_the_image_or_from_the_label():
    image = np.full((3, 8, 8), 60, np.uint8)
    image[:, 2:5, 2:5] = 220
    outcomes = set()
    for seed in range(8):
        found = apply("missing_object", make_source(image, with_object()), seed=seed, part=1)
        assert (found.is_corrupted == (with_object() == 1)).all()
        is_painted = not (found.image == 220).any()
        is_renamed = not (found.label_map == 1).any()
        assert is_painted != is_renamed
        outcomes.add(is_painted)
    assert outcomes == {True, False}


@pytest.mark.parametrize("is_turned", [False, True])
def test_hole_of_an_object_mirrors_what_lies_beside_it(is_turned):
    label_map = np.zeros((8, 8), np.uint8)
    label_map[2:6, 3:5] = 1
    image = make_source().image
    if is_turned:
        image, label_map = image.transpose(0, 2, 1), label_map.T
    outcomes = []
    for seed in range(8):
        filled = apply("missing_object", make_source(image, label_map), seed=seed, part=1).image[0]
        outcomes.append(filled[:, 3] if is_turned else filled[3])
    # the edge beside column 3 is column 2, and as far again outside lies column 1
    assert [10, 40, 70, 40, 190, 160, 190, 220] in [row.tolist() for row in outcomes]


def test_growth_takes_one_pixel_a_step_and_stops_at_walls():
    sources = np.array([[True, False, False, False]])
    into = np.array([[False, True, True, False]])
    assert spread(sources, into, steps=1).tolist() == [[0, 0, 2, 3]]
    assert spread(sources, into, steps=9).tolist() == [[0, 0, 0, 3]]


def test_growth_goes_all_four_ways_but_not_across_corners():
    sources = np.zeros((3, 3), bool)
    sources[1, 1] = True
    grown = spread(sources, ~sources, steps=1)
    assert grown.tolist() == [[0, 4, 2], [4, 4, 4], [6, 4, 8]]


def test_nothing_grows_from_nothing():
    nothing = np.zeros((2, 2), bool)
    assert spread(nothing, ~nothing, steps=3).tolist() == [[0, 1], [2, 3]]
