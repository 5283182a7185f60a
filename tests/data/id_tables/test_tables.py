"""Tables of ids against what their data sets publish."""

from __future__ import annotations

import pytest

from curate.data.classes import CLASS_SETS, VOCABULARIES, resolve_classes
from curate.data.id_tables import OWN_CLASSES, PUBLISHED_IDS, SEVERAL
from curate.data.idmap_files import resolve_id_map
from curate.errors import ConfigError

CITYSCAPES, CAMVID = (resolve_classes(name) for name in ("cityscapes19", "camvid11"))

PUBLISHED = {
    "carla-0.9.10": {7: "road", 8: "sidewalk", 1: "building", 13: "sky", 18: "traffic light",
                     22: "terrain", 10: "car"},
    "carla-0.9.14": {1: "road", 3: "building", 11: "sky", 14: "car", 19: "bicycle", 13: "rider",
                     24: "road"},
    "synthia-seqs": {12: "road", 15: "traffic light", 3: "road", 10: "person"},
    "idd": {0: "road", 2: "sidewalk", 9: "car", 22: "building", 24: "vegetation", 25: "sky"},
    "bdd100k": {0: "road", 10: "sky", 13: "car", 18: "bicycle"},
    "gta5-trainids": {0: "road", 18: "bicycle"},
    "kitti": {7: "road", 26: "car", 33: "bicycle"},
    "urbansyn": {0: "road", 18: "bicycle"},
    "apolloscape": {17: "sky", 33: "car", 49: "road", 97: "building", 113: "vegetation"},
    "mapillary-v1.2": {13: "road", 15: "sidewalk", 17: "building", 27: "sky", 30: "vegetation",
                       55: "car", 6: "wall", 24: "road"},
    "mapillary-v2": {21: "road", 24: "sidewalk", 27: "building", 61: "sky", 108: "car",
                     30: "person", 41: "road"},
    "ade20k": {7: "road", 12: "sidewalk", 3: "sky", 21: "car", 2: "building"},
    "camvid32": {17: "road", 21: "sky", 4: "building", 26: "vegetation"},
}  # fmt: skip
"""Ids of the published tables, in the words of Cityscapes."""

IGNORED = {
    "carla-0.9.10": (0, 3, 19, 21),
    "carla-0.9.14": (0, 20, 21, 28, 29),
    "synthia-seqs": (0, 13, 14),
    "urbansyn": (19,),
    "idd": (8, 23, 255),
    "mapillary-v2": (123,),
    "ade20k": (0, 150),
    "apolloscape": (0, 161),
    "camvid32": (30,),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_ids_mean_what_is_published(name):
    id_map = resolve_id_map(name, CITYSCAPES)
    assert {raw: CITYSCAPES.names[id_map.ids[raw]] for raw in PUBLISHED[name]} == PUBLISHED[name]


@pytest.mark.parametrize("name", IGNORED)
def test_ids_without_a_class_are_known(name):
    assert set(IGNORED[name]) <= resolve_id_map(name, CITYSCAPES).ignored


@pytest.mark.parametrize(("name", "unknown"), [("carla-legacy", 13), ("synthia-seqs", 16),
                                               ("carla-0.9.10", 23), ("urbansyn", 20)])  # fmt: skip
def test_ids_beyond_the_table_stay_unknown(name, unknown):
    id_map = resolve_id_map(name, CITYSCAPES)
    assert unknown not in id_map.ignored | set(id_map.ids)


def test_colours_of_virtual_kitti_are_translated():
    id_map = resolve_id_map("vkitti2", CITYSCAPES)
    named = {colour: CITYSCAPES.names[index] for colour, index in id_map.colours.items()}
    assert named[100, 60, 100] == "road"
    assert named[0, 199, 0] == named[90, 240, 0] == "vegetation"
    assert named[0, 139, 139] == "car"
    assert {(0, 0, 0), (250, 100, 255), (80, 80, 80)} <= id_map.ignored_colours
    camvid = resolve_id_map("vkitti2", CAMVID)
    assert CAMVID.names[camvid.colours[210, 0, 200]] == "tree"


def test_camvid_of_32_classes_is_grouped_by_colour_and_by_id():
    id_map = resolve_id_map("camvid32", CAMVID)
    assert CAMVID.names[id_map.colours[128, 0, 192]] == "road"  # lane marking
    assert CAMVID.names[id_map.ids[13]] == "bicyclist"  # motorcycle or scooter
    assert (0, 0, 0) in id_map.ignored_colours


@pytest.mark.parametrize("name", OWN_CLASSES)
def test_map_of_its_own_words_gives_every_class_of_its_set(name):
    classes = resolve_classes(name)
    id_map = resolve_id_map(name, classes)
    found = {*id_map.ids.values(), *(id_map.colours or {}).values()}
    assert found == set(range(len(classes)))


@pytest.mark.parametrize("name", PUBLISHED_IDS)
def test_words_belong_to_their_vocabulary(name):
    for vocabulary in {*PUBLISHED_IDS[name].names, *PUBLISHED_IDS[name].colours}:
        assert set(PUBLISHED_IDS[name].words(vocabulary)) <= VOCABULARIES[vocabulary]


def test_name_of_several_versions_is_an_error_that_names_them():
    for name, versions in SEVERAL.items():
        assert set(versions) <= set(PUBLISHED_IDS)
        with pytest.raises(ConfigError, match=f"one of {', '.join(versions)}"):
            resolve_id_map(name, CITYSCAPES)


def test_sets_of_own_words_stay_readable_as_class_indices():
    classes = resolve_classes("ade20k")
    assert resolve_id_map(None, classes).ids[0] == 0
    assert resolve_id_map("ade20k", classes).ids[1] == 0
    assert CLASS_SETS["ade20k"][0] == "wall"
