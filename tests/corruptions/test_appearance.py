"""What corruptions of how things look do to images that are easy to work out."""

import numpy as np
import pytest

from curate.corruptions import LabelledImage
from tests.corruptions.making import apply, as_one_superpixel, make_source


def test_turn_of_a_full_circle_only_posterises():
    found = apply("style", make_source(), levels=2, turn=1.0)
    assert np.unique(found.image).tolist() == [0, 255]
    assert found.image[0, 0].tolist() == [0, 0, 0, 0, 255, 255, 255, 255]


def test_turn_of_a_third_of_a_circle_makes_red_green():
    red = np.zeros((3, 8, 8), np.uint8)
    red[0] = 255
    found = apply("style", make_source(red), levels=2, turn=1 / 3)
    assert found.image[:, 0, 0].tolist() == [0, 255, 0]


def test_blur_leaves_plain_surfaces_alone_and_they_are_not_corrupted():
    plain = np.full((3, 8, 8), 90, np.uint8)
    plain[:, :, 6:] = 250
    found = apply("blur", make_source(plain), sigma=0.8)
    assert not found.is_corrupted[:, :2].any()
    assert found.is_corrupted[:, 5:7].all()


def test_noise_has_the_strength_that_was_drawn():
    white = np.full((3, 64, 64), 128, np.uint8)
    zeros = np.zeros((64, 64), np.uint8)
    large = LabelledImage(white, zeros, white, zeros)
    found = apply("noise", large, mask=zeros == 0, sigma=20)
    expected = 20 * np.sqrt(0.2 + 0.8 * 128 / 255)
    assert (found.image.astype(float) - 128).std() == pytest.approx(expected, rel=0.03)


def test_flat_gives_each_superpixel_the_mean_colour_of_its_class():
    label_map = np.zeros((8, 8), np.uint8)
    label_map[:, 4:] = 1
    one_superpixel = as_one_superpixel(make_source(label_map=label_map))
    found = apply("flat", one_superpixel, loss=1.0)
    assert found.image[0, 0].tolist() == [55] * 4 + [175] * 4
    found = apply("flat", one_superpixel, loss=0.5)
    assert found.image[0, 0, :4].tolist() == [32, 48, 62, 78]


def test_light_follows_gamma_warmth_and_shadow():
    grey = np.full((3, 8, 8), 128, np.uint8)
    found = apply("light", make_source(grey), gamma=0, warmth=0.25, shadow=0.5)
    assert sorted(found.image[:, 0, 0].tolist()) == [48, 64, 80]
    found = apply("light", make_source(grey), gamma=1, warmth=0, shadow=0)
    assert found.image[0, 0, 0] in (64, 181)  # 255 * .502 ** 2 or ** .5


def test_only_the_mask_is_repainted_and_only_labelled_pixels_count():
    grey = np.full((3, 4, 4), 100, np.uint8)
    label_map = np.zeros((4, 4), np.uint8)
    label_map[0] = 255
    mask = np.zeros((4, 4), bool)
    mask[:2, :2] = True
    source = as_one_superpixel(LabelledImage(grey, label_map, grey, label_map))
    found = apply("style", source, mask=mask, levels=2, turn=0.0)
    # two levels are 0 and 255, and 100 is nearer to 0
    assert found.image[1].tolist() == [[0, 0, 100, 100]] * 2 + [[100] * 4] * 2
    assert found.is_corrupted.tolist() == [
        [False] * 4,
        [True, True, False, False],
        *[[False] * 4] * 2,
    ]
