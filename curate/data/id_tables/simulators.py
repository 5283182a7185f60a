"""CARLA in its versions, Virtual KITTI 2.

Sources: CARLA, ``LibCarla/source/carla/image/CityScapesPalette.h`` and the table of the semantic
segmentation camera in https://carla.readthedocs.io (``ref_sensors``): tags 0 .. 12 up to 0.9.9,
0 .. 22 from 0.9.10 to 0.9.13, and another order, 0 .. 28, from 0.9.14 on, to which 0.10 adds 29
(rock). Lyft and Udacity's challenge of 2018 was rendered with the first of them. Virtual KITTI 2:
https://europe.naverlabs.com/proxy-virtual-worlds-vkitti-2 (``colors.txt``).
"""

from __future__ import annotations

from typing import Final

from curate.data.id_tables.table import PublishedIds

_LEGACY_AS_CAMVID: Final = {
    0: "sky", 1: "building", 2: "fence", 4: "pedestrian", 5: "pole", 6: "road", 7: "road",
    8: "pavement", 9: "tree", 10: "car", 11: "fence", 12: "sign",
}  # fmt: skip
_LEGACY_AS_CITYSCAPES: Final = {
    0: "sky", 1: "building", 2: "fence", 4: "person", 5: "pole", 6: "road", 7: "road",
    8: "sidewalk", 9: "vegetation", 10: "car", 11: "wall", 12: "traffic sign",
}  # fmt: skip
_LEGACY: Final = PublishedIds(
    {"camvid": _LEGACY_AS_CAMVID, "cityscapes": _LEGACY_AS_CITYSCAPES}, num_ids=13, channel="first"
)
_CARLA_0910: Final = PublishedIds(
    {
        "camvid": {
            1: "building", 2: "fence", 4: "pedestrian", 5: "pole", 6: "road", 7: "road",
            8: "pavement", 9: "tree", 10: "car", 11: "fence", 12: "sign", 13: "sky", 18: "sign",
            22: "tree",
        },
        "cityscapes": {
            1: "building", 2: "fence", 4: "person", 5: "pole", 6: "road", 7: "road",
            8: "sidewalk", 9: "vegetation", 10: "car", 11: "wall", 12: "traffic sign", 13: "sky",
            18: "traffic light", 22: "terrain",
        },
    },
    num_ids=23,
    channel="first",
)  # fmt: skip
_CARLA_0914: Final = PublishedIds(
    {
        "camvid": {
            1: "road", 2: "pavement", 3: "building", 4: "fence", 5: "fence", 6: "pole",
            7: "sign", 8: "sign", 9: "tree", 10: "tree", 11: "sky", 12: "pedestrian",
            13: "bicyclist", 14: "car", 15: "car", 16: "car", 17: "car", 18: "bicyclist",
            19: "bicyclist", 24: "road",
        },
        "cityscapes": {
            1: "road", 2: "sidewalk", 3: "building", 4: "wall", 5: "fence", 6: "pole",
            7: "traffic light", 8: "traffic sign", 9: "vegetation", 10: "terrain", 11: "sky",
            12: "person", 13: "rider", 14: "car", 15: "truck", 16: "bus", 17: "train",
            18: "motorcycle", 19: "bicycle", 24: "road",
        },
    },
    num_ids=30,
    channel="first",
)  # fmt: skip

_VKITTI2_OWN: Final = {
    (210, 0, 200): "terrain", (90, 200, 255): "sky", (0, 199, 0): "tree",
    (90, 240, 0): "vegetation", (140, 140, 140): "building", (100, 60, 100): "road",
    (250, 100, 255): "guard rail", (255, 255, 0): "traffic sign", (200, 200, 0): "traffic light",
    (255, 130, 0): "pole", (80, 80, 80): "misc", (160, 60, 60): "truck", (255, 127, 80): "car",
    (0, 139, 139): "van",
}  # fmt: skip
_VKITTI2_AS_CITYSCAPES: Final = {
    colour: {"tree": "vegetation", "van": "car"}.get(name, name)
    for colour, name in _VKITTI2_OWN.items()
    if name not in ("guard rail", "misc")
}

SIMULATOR_TABLES: Final[dict[str, PublishedIds]] = {
    "carla-legacy": _LEGACY,
    "carla-0.9.10": _CARLA_0910,
    "carla-0.9.14": _CARLA_0914,
    "lyft-udacity": _LEGACY,
    "vkitti2": PublishedIds(
        {},
        num_ids=0,
        colours={"vkitti2": _VKITTI2_OWN, "cityscapes": _VKITTI2_AS_CITYSCAPES},
        ignored_colours=((0, 0, 0), (250, 100, 255), (80, 80, 80)),
    ),
}
"""Id map -> its table."""
