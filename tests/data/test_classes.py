from __future__ import annotations

import pytest

from curate.data.classes import CLASS_SETS, TRANSLATIONS, VOCABULARIES, resolve_classes
from curate.errors import ConfigError


def test_built_in_sets_have_the_classes_of_their_benchmarks():
    sizes = {name: len(names) for name, names in CLASS_SETS.items()}
    assert sizes == {
        "cityscapes19": 19, "synthia16": 16, "camvid11": 11, "idd": 26, "apolloscape": 25,
        "vkitti2": 14, "camvid32": 31, "ade20k": 150, "voc": 21, "mapillary-v1.2": 63,
        "mapillary-v2": 118, "loveda": 7,
    }  # fmt: skip
    assert CLASS_SETS["camvid11"][0] == "sky"
    assert CLASS_SETS["camvid11"][10] == "bicyclist"
    assert CLASS_SETS["cityscapes19"][0] == "road"
    assert CLASS_SETS["cityscapes19"][18] == "bicycle"


def test_synthia_lacks_terrain_truck_and_train():
    missing = set(CLASS_SETS["cityscapes19"]) - set(CLASS_SETS["synthia16"])
    assert missing == {"terrain", "truck", "train"}


def test_name_is_looked_up():
    classes = resolve_classes("camvid11")
    assert (classes.name, len(classes)) == ("camvid11", 11)
    assert classes.names == CLASS_SETS["camvid11"]


def test_list_of_names_is_taken_in_its_order():
    classes = resolve_classes(["road", "car"])
    assert (classes.name, classes.names) == ("custom", ("road", "car"))


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"'camvid12' is no built-in .* camvid11, .*or an inline"):
        resolve_classes("camvid12")


def test_unusable_lists_are_refused():
    unusable = {
        "1 names, 1 of them different": ["road"],
        "2 names, 1 of them different": ["road", "road"],
        "2 names, 2 of them different": ["road", ""],
        "255 names": [str(n) for n in range(255)],
        "0 names": [],
    }
    for seen, names in unusable.items():
        with pytest.raises(ConfigError, match=f"lists {seen}.*2 to 254 different"):
            resolve_classes(names)


def test_254_classes_are_the_most():
    assert len(resolve_classes([str(n) for n in range(254)])) == 254


def test_translations_stay_within_their_vocabularies():
    for (source, target), names in TRANSLATIONS.items():
        assert set(names) == VOCABULARIES[source]
        assert set(names.values()) <= VOCABULARIES[target]
