"""What each kind does to images that are easy to work out."""

import numpy as np
import pytest

from curate.corruptions import CORRUPTIONS, Draw, Scene
from curate.corruptions.mixture import Mixture
from curate.records import IGNORE_INDEX

EVERYWHERE = np.ones((8, 8), bool)


def scene(image=None, label_map=None, donor_label_map=None):
    """Ramps of grey by default: 10, 40, .. 220 from left to right."""
    ramp = np.tile(np.arange(10, 250, 30, dtype=np.uint8), (3, 8, 1))
    zeros = np.zeros((8, 8), np.uint8)
    return Scene(
        ramp if image is None else image,
        zeros if label_map is None else label_map,
        np.full((3, 8, 8), 200, np.uint8),
        zeros if donor_label_map is None else donor_label_map,
    )


def realise(kind, scene, *, place=EVERYWHERE, seed=0, share=1.0, strength="strong", **values):
    return CORRUPTIONS[kind].realise(scene, Draw(strength, place, values, share, seed))


def with_object():
    """Class 1 in rows and columns 2 .. 4 of class 0."""
    label_map = np.zeros((8, 8), np.uint8)
    label_map[2:5, 2:5] = 1
    return label_map


def test_turn_of_a_full_circle_only_posterises():
    injected = realise("style", scene(), levels=2, turn=1.0)
    assert np.unique(injected.image).tolist() == [0, 255]
    assert injected.image[0, 0].tolist() == [0, 0, 0, 0, 255, 255, 255, 255]


def test_turn_of_a_third_of_a_circle_makes_red_green():
    red = np.zeros((3, 8, 8), np.uint8)
    red[0] = 255
    injected = realise("style", scene(red), levels=2, turn=1 / 3)
    assert injected.image[:, 0, 0].tolist() == [0, 255, 0]


def test_blur_leaves_plain_surfaces_alone_and_they_are_not_spoiled():
    plain = np.full((3, 8, 8), 90, np.uint8)
    plain[:, :, 6:] = 250
    injected = realise("blur", scene(plain), sigma=0.8)
    assert not injected.is_corrupted[:, :2].any()
    assert injected.is_corrupted[:, 5:7].all()


def test_noise_has_the_strength_that_was_drawn():
    white = np.full((3, 64, 64), 128, np.uint8)
    zeros = np.zeros((64, 64), np.uint8)
    large = Scene(white, zeros, white, zeros)
    injected = realise("noise", large, place=zeros == 0, sigma=20)
    expected = 20 * np.sqrt(0.2 + 0.8 * 128 / 255)
    assert (injected.image.astype(float) - 128).std() == pytest.approx(expected, rel=0.03)


def test_flat_gives_each_piece_the_mean_colour_of_its_class():
    label_map = np.zeros((8, 8), np.uint8)
    label_map[:, 4:] = 1
    one_piece = scene(label_map=label_map)
    one_piece.__dict__["pieces"] = np.zeros((8, 8), np.int64)
    injected = realise("flat", one_piece, loss=1.0)
    assert injected.image[0, 0].tolist() == [55] * 4 + [175] * 4
    injected = realise("flat", one_piece, loss=0.5)
    assert injected.image[0, 0, :4].tolist() == [32, 48, 62, 78]


def test_light_follows_gamma_warmth_and_shadow():
    grey = np.full((3, 8, 8), 128, np.uint8)
    injected = realise("light", scene(grey), gamma=0, warmth=0.25, shadow=0.5)
    assert sorted(injected.image[:, 0, 0].tolist()) == [48, 64, 80]
    injected = realise("light", scene(grey), gamma=1, warmth=0, shadow=0)
    assert injected.image[0, 0, 0] in (64, 181)  # 255 * .502 ** 2 or ** .5


def test_wrong_scale_reads_nearer_to_the_middle():
    one_piece = scene()
    one_piece.__dict__["pieces"] = np.zeros((8, 8), np.int64)
    injected = realise("wrong_scale", one_piece, factor=2.0)
    # the middle is at column 3.5: column 0 reads column 1.75, grey 10 + 30 * 1.75
    assert injected.image[0, 0].tolist() == [62, 78, 92, 108, 122, 138, 152, 168]


def test_content_is_pasted_only_where_its_class_is_known_and_another():
    donor = np.zeros((8, 8), np.uint8)
    donor[:, 2:4] = 1
    donor[:, 4:6] = IGNORE_INDEX
    injected = realise("pasted", scene(donor_label_map=donor), down=0, across=0, match=0)
    assert injected.is_corrupted[0].tolist() == [False, False, True, True, *[False] * 4]
    assert injected.image[0, 0, 2:4].tolist() == [200, 200]


def test_matched_content_has_the_mean_of_the_place():
    donor = np.ones((8, 8), np.uint8)
    injected = realise("pasted", scene(donor_label_map=donor), down=0, across=0, match=1)
    assert np.unique(injected.image).tolist() == [115]


def test_missing_object_is_gone_from_the_image_or_from_the_label():
    image = np.full((3, 8, 8), 60, np.uint8)
    image[:, 2:5, 2:5] = 220
    outcomes = set()
    for seed in range(8):
        injected = realise("missing_object", scene(image, with_object()), seed=seed, part=1)
        assert (injected.is_corrupted == (with_object() == 1)).all()
        is_painted = not (injected.image == 220).any()
        is_renamed = not (injected.label_map == 1).any()
        assert is_painted != is_renamed
        outcomes.add(is_painted)
    assert outcomes == {True, False}


@pytest.mark.parametrize("is_turned", [False, True])
def test_hole_of_an_object_mirrors_what_lies_beside_it(is_turned):
    label_map = np.zeros((8, 8), np.uint8)
    label_map[2:6, 3:5] = 1
    image = scene().image
    if is_turned:
        image, label_map = image.transpose(0, 2, 1), label_map.T
    outcomes = []
    for seed in range(8):
        filled = realise("missing_object", scene(image, label_map), seed=seed, part=1).image[0]
        outcomes.append(filled[:, 3] if is_turned else filled[3])
    # the edge beside column 3 is column 2, and as far again outside lies column 1
    assert [10, 40, 70, 40, 190, 160, 190, 220] in [row.tolist() for row in outcomes]


def test_wrong_label_never_keeps_the_most_frequent_class():
    two = scene(label_map=with_object())
    two.__dict__["pieces"] = np.zeros((8, 8), np.int64)
    injected = realise("wrong_label", two, near=1, part=1)
    assert (injected.label_map == 1).all()
    assert (injected.is_corrupted == (with_object() == 0)).all()


def test_labels_move_down_by_a_quarter_turn():
    injected = realise("shifted_label", scene(label_map=with_object()), distance=0.25, angle=0.25)
    assert (injected.label_map[4:7, 2:5] == 1).all()
    assert (injected.label_map == 1).sum() == 9
    assert injected.is_corrupted.sum() == 2 * 6  # two rows left, two rows won


def test_shift_neither_gives_nor_takes_a_class_where_one_is_unknown():
    label_map = with_object()
    label_map[6] = IGNORE_INDEX
    injected = realise("shifted_label", scene(label_map=label_map), distance=0.25, angle=0.25)
    assert ((injected.label_map == IGNORE_INDEX) == (label_map == IGNORE_INDEX)).all()


def test_label_eats_or_is_eaten():
    areas = set()
    for seed in range(8):
        injected = realise("eroded_label", scene(label_map=with_object()), seed=seed, reach=0.13)
        areas.add(int((injected.label_map == 1).sum()))
    assert areas == {1, 9 + 12}  # one pixel off each side, or one on each side


def test_mixture_without_a_kind_never_plants_it():
    kinds = [CORRUPTIONS["noise"], CORRUPTIONS["blur"]]
    for seed in range(6):
        injected = Mixture(kinds).inject(
            scene(label_map=with_object()), np.random.default_rng(seed), strength="strong"
        )
        assert (injected.label_map == with_object()).all()
