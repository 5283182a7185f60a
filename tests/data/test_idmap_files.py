from __future__ import annotations

import json

import numpy as np
import pytest

from curate.data.classes import CLASS_SETS, resolve_classes
from curate.data.id_tables import PUBLISHED_IDS
from curate.data.idmap_files import parse_colour, resolve_id_map, restore_id_map
from curate.errors import ConfigError, LabelError, StoreError

CITYSCAPES = resolve_classes("cityscapes19")
CAMVID = resolve_classes("camvid11")
SKY_AND_ROAD = resolve_classes(["sky", "road"])
EVERYTHING = """
    ignore = [11, "#000000"]
    unmapped = "ignore"
    channel = "first"
    [ids]
    0 = "sky"
    700 = "road"
    [colours]
    "#804080" = "road"
    "70, 130,180" = "sky"
    """


def read(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return resolve_id_map(str(path), SKY_AND_ROAD)


def test_everything_is_read(tmp_path):
    id_map = read(tmp_path, EVERYTHING)
    assert id_map.ids == {0: 0, 700: 1}
    assert id_map.ignored == {11, 255}
    assert id_map.colours == {(128, 64, 128): 1, (70, 130, 180): 0}
    assert id_map.ignored_colours == {(0, 0, 0), (255, 255, 255)}
    assert (id_map.unmapped, id_map.channel, id_map.name) == ("ignore", "first", "mine.toml")


def test_255_and_white_can_have_a_class(tmp_path):
    id_map = read(tmp_path, '[ids]\n255 = "sky"\n[colours]\n"#ffffff" = "sky"')
    assert id_map.ids == {255: 0}
    assert not id_map.ignored
    assert not id_map.ignored_colours


MISTAKES = {
    '[ids]\n0 = "skye"': "'skye' is none of the classes in use. Did you mean 'sky'?",
    '[colours]\n"#zz0000" = "sky"': "'#zz0000' is no colour",
    '[colours]\n"1,2,256" = "sky"': "'1,2,256' is no colour",
    '[ids]\nx = "sky"': "valid integer",
    '[ids]\n70000 = "sky"': "less than or equal to 65535",
    'ignore = [-1]\n[ids]\n0 = "sky"': "greater than or equal to 0",
    'ignore = [1.5]\n[ids]\n0 = "sky"': "valid integer",
    'unmaped = "error"\n[ids]\n0 = "sky"': "unknown key 'unmaped'. Did you mean 'unmapped'?",
    "ignore = [3]": "no id or colour has a class",
    'ignore = [3]\n[ids]\n3 = "sky"': "3 is ignored and has a class",
    'ignore = ["#010203"]\n[colours]\n"1,2,3" = "sky"': "(1, 2, 3) is ignored and has a class",
    "[ids": "not valid TOML",
}


def test_mistakes_are_named(tmp_path):
    for text, message in MISTAKES.items():
        with pytest.raises(ConfigError) as caught:
            read(tmp_path, text)
        assert message in str(caught.value)


def test_colours_are_read_in_two_spellings():
    assert parse_colour("#0a0B0c") == parse_colour("10, 11,12 ") == (10, 11, 12)
    for text in ("#0a0b0", "0a0b0c", "1,2", "1,2,3,4", "1,2,-3", "1;2;3", ""):
        with pytest.raises(ValueError, match="is no colour: write it as '#rrggbb' or"):
            parse_colour(text)


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.toml does not exist"):
        resolve_id_map(str(tmp_path / "gone.toml"), SKY_AND_ROAD)


def names_of(labels, classes):
    id_map = resolve_id_map(labels, classes)
    return {raw: classes.names[index] for raw, index in id_map.ids.items()}


TRAIN_IDS = {
    # id:train id, as published
    "cityscapes": "7:0 8:1 11:2 12:3 13:4 17:5 19:6 20:7 21:8 22:9 23:10 24:11 25:12 26:13 27:14 "
    "28:15 31:16 32:17 33:18",
    "synthia": "3:0 4:1 2:2 21:3 5:4 7:5 15:6 9:7 6:8 16:9 1:10 10:11 17:12 8:13 18:14 19:15 "
    "20:16 12:17 11:18",
}


def test_published_ids_become_train_ids():
    for name, pairs in TRAIN_IDS.items():
        expected = {int(a): int(b) for a, b in (pair.split(":") for pair in pairs.split())}
        assert resolve_id_map(name, CITYSCAPES).ids == expected


def test_gta5_has_the_ids_of_cityscapes_and_one_more():
    gta5, cityscapes = (resolve_id_map(name, CITYSCAPES) for name in ("gta5", "cityscapes"))
    assert gta5.ids == cityscapes.ids
    assert gta5.ignored - cityscapes.ignored == {34}
    assert cityscapes.ignored | set(cityscapes.ids) == {*range(34), 255}


def test_carla_for_camvid():
    assert names_of("carla-legacy", CAMVID) == {
        0: "sky", 1: "building", 2: "fence", 4: "pedestrian", 5: "pole", 6: "road", 7: "road",
        8: "pavement", 9: "tree", 10: "car", 11: "fence", 12: "sign",
    }  # fmt: skip
    assert resolve_id_map("carla-legacy", CAMVID).ignored == {3, 255}


def test_carla_has_walls_for_cityscapes():
    names = names_of("carla-legacy", CITYSCAPES)
    assert (names[11], names[0], names[12]) == ("wall", "sky", "traffic sign")


def test_simulators_hold_the_id_in_the_first_channel():
    channels = {name: resolve_id_map(name, CITYSCAPES).channel for name in PUBLISHED_IDS}
    assert [name for name, channel in channels.items() if channel == "first"] == [
        "synthia", "synthia-seqs", "carla-legacy", "carla-0.9.10", "carla-0.9.14", "lyft-udacity",
    ]  # fmt: skip


def test_camvid_ignores_its_void():
    for name in ("camvid", "camvid11"):
        id_map = resolve_id_map(name, CAMVID)
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
    assert resolve_id_map(None, CAMVID, default="carla-legacy").name == "carla-legacy"


def test_unknown_map_names_the_nearest():
    with pytest.raises(ConfigError, match=r"Did you mean 'cityscapes'\?"):
        resolve_id_map("citiscapes", CAMVID)


def test_every_class_set_has_its_own_map():
    for name in CLASS_SETS:
        id_map = resolve_id_map(None, resolve_classes(name))
        assert id_map.ids == {index: index for index in range(len(CLASS_SETS[name]))}


def stored(id_map):
    """What a score file says of an id map."""
    return json.loads(json.dumps(id_map.to_json()))


def test_id_map_is_restored_from_what_a_score_file_says(tmp_path):
    id_maps = [resolve_id_map(name, CAMVID) for name in PUBLISHED_IDS]
    for id_map in [*id_maps, read(tmp_path, EVERYTHING)]:
        assert restore_id_map(stored(id_map), where="w.h5") == id_map


def test_unfit_stored_id_maps_are_refused():
    sound = stored(resolve_id_map("carla-legacy", CAMVID))
    unfit = {
        "labels. If it joins score files, merge them again": None,
        "ids: Field required": {"name": "x", "ignored": []},
        "ids.7: Input should be less than or equal to 253": sound | {"ids": {"7": 254}},
        "unmapped: Input should be 'error', 'ignore' or 'nearest'": sound | {"unmapped": "maybe"},
        "'red' is no colour": sound | {"ignored_colours": ["red"]},
    }
    for message, table in unfit.items():
        with pytest.raises(StoreError, match=r"^w\.h5 does not say how to read labels") as caught:
            restore_id_map(table, where="w.h5")
        assert message in str(caught.value)
