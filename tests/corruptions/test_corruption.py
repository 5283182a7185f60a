"""What is drawn for a corruption, and mixtures."""

import numpy as np

from curate.corruptions import CORRUPTIONS, Mixture
from tests.corruptions.making import make_source, with_object


def test_mixture_injects_only_what_it_was_given():
    corruptions = [CORRUPTIONS["noise"], CORRUPTIONS["blur"]]
    for seed in range(6):
        found = Mixture(corruptions).inject(
            make_source(label_map=with_object()), np.random.default_rng(seed), strength="strong"
        )
        assert (found.label_map == with_object()).all()


def test_parameters_are_drawn_within_the_ranges_of_their_strength():
    rng = np.random.default_rng(0)
    for _ in range(20):
        parameters = CORRUPTIONS["light"].sample(make_source(), rng, strength="mild")
        assert 0.25 <= parameters.values["gamma"] <= 0.4
        assert 0.05 <= parameters.values["shadow"] <= 0.15


def test_superpixels_are_chosen_among_those_with_a_class():
    label_map = np.full((8, 8), 255, np.uint8)
    label_map[:, :2] = 0
    source = make_source(label_map=label_map)
    source.__dict__["superpixels"] = np.arange(8)[None].repeat(8, axis=0) // 2  # four columns
    expected = np.arange(8) < 2
    for seed in range(5):
        mask = source.choose_superpixels(np.random.default_rng(seed), 0.5)
        assert (mask == expected).all()


def test_objects_are_components_that_are_neither_specks_nor_backdrops():
    label_map = with_object()
    label_map[7, 7] = 2
    objects = make_source(label_map=label_map).objects
    assert (objects == (label_map == 1)).all()
