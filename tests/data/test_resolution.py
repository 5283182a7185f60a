from __future__ import annotations

import numpy as np
import pytest

from curate.data.classes import CLASS_SETS, resolve_classes
from curate.data.resolution import resolve_id_map
from curate.data.vocabularies import PUBLISHED_IDS, TRANSLATIONS, VOCABULARIES
from curate.errors import ConfigError, LabelError

CITYSCAPES = resolve_classes("cityscapes19")
CAMVID = resolve_classes("camvid11")


def names_of(labels, classes):
    id_map = resolve_id_map(labels, classes)
    return {raw: classes.names[index] for raw, index in id_map.ids.items()}


@pytest.mark.parametrize(
    ("labels", "pairs"),
    [
        # id:train id, as published
        ("cityscapes", "7:0 8:1 11:2 12:3 13:4 17:5 19:6 20:7 21:8 22:9 23:10 24:11 25:12 26:13 "
         "27:14 28:15 31:16 32:17 33:18"),
        ("synthia", "3:0 4:1 2:2 21:3 5:4 7:5 15:6 9:7 6:8 16:9 1:10 10:11 17:12 8:13 18:14 "
         "19:15 20:16 12:17 11:18"),
    ],
)  # fmt: skip
def test_published_ids_become_train_ids(labels, pairs):
    expected = {int(a): int(b) for a, b in (pair.split(":") for pair in pairs.split())}
    assert resolve_id_map(labels, CITYSCAPES).ids == expected


def test_gta5_has_the_ids_of_cityscapes_and_one_more():
    gta5, cityscapes = (resolve_id_map(name, CITYSCAPES) for name in ("gta5", "cityscapes"))
    assert gta5.ids == cityscapes.ids
    assert gta5.ignored - cityscapes.ignored == {34}
    assert cityscapes.ignored | set(cityscapes.ids) == {*range(34), 255}


def test_carla_for_camvid():
    assert names_of("carla", CAMVID) == {
        0: "sky", 1: "building", 2: "fence", 4: "pedestrian", 5: "pole", 6: "road", 7: "road",
        8: "pavement", 9: "tree", 10: "car", 11: "fence", 12: "sign",
    }  # fmt: skip
    assert resolve_id_map("carla", CAMVID).ignored == {3, 255}


def test_carla_has_walls_for_cityscapes():
    names = names_of("carla", CITYSCAPES)
    assert (names[11], names[0], names[12]) == ("wall", "sky", "traffic sign")


def test_simulators_hold_the_id_in_the_first_channel():
    channels = {name: resolve_id_map(name, CITYSCAPES).channel for name in PUBLISHED_IDS}
    assert [name for name, channel in channels.items() if channel == "first"] == [
        "synthia", "carla",
    ]  # fmt: skip


@pytest.mark.parametrize("labels", ["camvid", "camvid11"])
def test_camvid_ignores_its_void(labels):
    id_map = resolve_id_map(labels, CAMVID)
    assert id_map.ids == {index: index for index in range(11)}
    assert id_map.ignored == {11, 255}


def test_cityscapes_is_grouped_for_camvid():
    names = names_of("cityscapes", CAMVID)
    assert (names[12], names[22], names[19], names[28], names[25]) == (
        "building", "tree", "sign", "car", "bicyclist",
    )  # fmt: skip
    assert len(names) == 19


def test_camvid_is_spread_for_cityscapes():
    names = names_of("camvid", CITYSCAPES)
    assert (names[4], names[5], names[9], names[10]) == (
        "sidewalk", "vegetation", "person", "rider",
    )  # fmt: skip


def test_translations_stay_within_their_vocabularies():
    for (source, target), names in TRANSLATIONS.items():
        assert set(names) == VOCABULARIES[source]
        assert set(names.values()) <= VOCABULARIES[target]


def test_class_that_is_not_in_use_is_ignored():
    synthia16 = resolve_classes("synthia16")
    id_map = resolve_id_map("cityscapes", synthia16)
    assert 22 in id_map.ignored  # terrain
    assert synthia16.names[id_map.ids[33]] == "bicycle"


def test_inline_classes_choose_the_vocabulary_with_most_names():
    assert names_of("cityscapes", resolve_classes(["tree", "pavement", "car"])) == {
        8: "pavement", 21: "tree", 22: "tree", 26: "car", 27: "car", 28: "car", 31: "car",
    }  # fmt: skip


def test_inline_classes_of_both_vocabularies_take_the_published_one():
    assert names_of("cityscapes", resolve_classes(["road", "car"])) == {7: "road", 26: "car"}


def test_no_class_in_common_lists_both():
    with pytest.raises(ConfigError, match=r"sky, building, pole.*in use are liver, kidney"):
        resolve_id_map("camvid", resolve_classes(["liver", "kidney"]))


def test_without_id_map_ids_are_class_indices():
    id_map = resolve_id_map(None, resolve_classes(["liver", "kidney"]))
    assert id_map.apply(np.array([[0, 1, 255]], np.uint8)).tolist() == [[0, 1, 255]]
    with pytest.raises(LabelError, match=r"2 \(1 pixels\)"):
        id_map.apply(np.array([[2]], np.uint8))


def test_without_id_map_built_in_class_sets_bring_theirs():
    assert resolve_id_map(None, CAMVID).ignored == {11, 255}
    assert resolve_id_map(None, CAMVID, default="carla").name == "carla"


def test_unknown_map_names_the_nearest():
    with pytest.raises(ConfigError, match=r"Did you mean 'cityscapes'\?"):
        resolve_id_map("citiscapes", CAMVID)


def test_every_class_set_has_its_own_map():
    for name in CLASS_SETS:
        id_map = resolve_id_map(name, resolve_classes(name))
        assert id_map.ids == {index: index for index in range(len(CLASS_SETS[name]))}
