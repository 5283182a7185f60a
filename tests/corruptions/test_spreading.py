import numpy as np

from curate.corruptions.spreading import spread


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
