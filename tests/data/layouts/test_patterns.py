from __future__ import annotations

import pytest

from curate.data.layouts.patterns import IMAGE_SUFFIXES, LABEL_SUFFIXES, Pattern, check_patterns
from curate.errors import ConfigError


def image(text, **options):
    return Pattern(text, IMAGE_SUFFIXES, **options)


def test_names_stand_for_any_text_slashes_included():
    pattern = image("{scene}/rgb/{camera}/rgb_{n}.jpg")
    assert pattern.names == ("scene", "camera", "n")
    assert pattern.match("a/b/rgb/left/rgb_007") == ("a/b", "left", "007")
    assert pattern.match("a/depth/left/rgb_007") is None
    assert pattern.match("rgb/left/rgb_007") is None


def test_suffix_is_the_pattern_s_own_or_any_that_is_read():
    assert image("{}/x.jpg").own_suffixes == {"jpg"}
    assert image("{}.JPG").own_suffixes == {"jpg"}
    assert image("images/{}").own_suffixes == set(IMAGE_SUFFIXES)
    assert image("step{n}.camera").own_suffixes == set(IMAGE_SUFFIXES)
    assert image("{}.png").match("a.b") == ("a.b",)


def test_name_that_stands_twice_is_the_same_text():
    pattern = image("{city}/{city}_{n}.png")
    assert pattern.match("ulm/ulm_3") == ("ulm", "3")
    assert pattern.match("ulm/jena_3") is None


def test_letters_of_patterns_mean_themselves():
    assert image("a.b+/{}.png").match("aXb+/1") is None
    assert image("a.b+/{n}_{k}.png").match("a.b+/1_2") == ("1", "2")


def test_values_fill_the_other_pattern():
    label = Pattern("{scene}/classes/{camera}/classgt_{n}.png", LABEL_SUFFIXES)
    filled = label.fill(("scene", "camera", "n"), ("a/b", "left", "007"))
    assert filled == "a/b/classes/left/classgt_007"


def test_names_can_be_read_in_two_ways():
    pattern = image("{x}_0_{n}.png")
    assert pattern.match("a_0_0_7") == ("a", "0_7")
    assert pattern.match("a_0_0_7", is_greedy=True) == ("a_0", "7")


def test_split_of_a_built_in_layout_is_the_name_of_a_split():
    pattern = image("{split}/{n}", one_split=True)
    assert pattern.match("Train/3") == ("Train", "3")
    assert pattern.match("fog/3") is None
    assert image("{split}/{n}").match("fog/3") == ("fog", "3")


def test_folder_is_what_all_files_are_below():
    assert image("a/b_{n}/c_{n}").folder == "a"
    assert image("{}.png").folder == ""
    assert image("rgb_{n}.png").folder == ""


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (("{}.png", None), "'image' needs its other half: give 'label' too, for example image"),
        ((None, "{}.png"), "'label' needs its other half: give 'image' too"),
        (("a/b.png", "{}.png"), "image = 'a/b.png' has nothing in braces that tells"),
        (("{a}.png", "{b}.png"), "must be equal on both sides"),
        (("{a}/{b}.png", "{b}.png"), r"\{a\} stands in one of image"),
        (("{}/{}.png", "{}/{}.png"), r"has \{\} twice: give the parts names"),
        (("{a.png", "{a}.png"), "has nothing in braces"),
        (("{a}}.png", "{a}.png"), "has a brace that is not closed"),
        (("{a b}.png", "{a b}.png"), "names are letters, digits and _"),
        (("/data/{}.png", "{}.png"), "must lie below the folder of the data set"),
        (("../{}.png", "{}.png"), "must lie below"),
        (("a\\{}.png", "{}.png"), "write / between folders"),
        (("{}.png", "{}.png"), "label are the same pattern"),
        (("{}.png", "{}.npy"), r"label = '\{\}\.npy' names a kind of file that is not read"),
        (("{}.png", "{}.jpg"), r"label = '\{\}\.jpg' names a kind of file that is not read"),
    ],
)
def test_patterns_that_make_no_pair_are_refused(patterns, message):
    with pytest.raises(ConfigError, match=message):
        check_patterns(*patterns)


def test_pair_of_patterns_passes():
    check_patterns("{scene}/rgb/{n}.jpg", "{scene}/classes/{n}.png")
    check_patterns("{}.png", "{}_L.png")
