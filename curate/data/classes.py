"""Classes: built-in sets of them, and what the ids of published data sets mean.

Cityscapes and CamVid name classes differently, and some simulators' ids mean different things in
the two vocabularies, so every table of ids is written in the vocabulary (or both) that it was
published for; names are translated only where a table has no such vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from curate.errors import ConfigError
from curate.records import IGNORE_INDEX, ClassSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CITYSCAPES_CLASSES: Final = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
_NOT_IN_SYNTHIA: Final = ("terrain", "truck", "train")
_CAMVID_CLASSES: Final = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip

CLASS_SETS: Final[dict[str, tuple[str, ...]]] = {
    "cityscapes19": _CITYSCAPES_CLASSES,
    "synthia16": tuple(name for name in _CITYSCAPES_CLASSES if name not in _NOT_IN_SYNTHIA),
    "camvid11": _CAMVID_CLASSES,
}

VOCABULARIES: Final[dict[str, frozenset[str]]] = {
    "cityscapes": frozenset(CLASS_SETS["cityscapes19"]),
    "camvid": frozenset(CLASS_SETS["camvid11"]),
}

TRANSLATIONS: Final[dict[tuple[str, str], dict[str, str]]] = {
    # the grouping by which SegNet and its successors compare the two data sets
    ("cityscapes", "camvid"): {
        "road": "road", "sidewalk": "pavement", "building": "building", "wall": "building",
        "fence": "fence", "pole": "pole", "traffic light": "sign", "traffic sign": "sign",
        "vegetation": "tree", "terrain": "tree", "sky": "sky", "person": "pedestrian",
        "rider": "bicyclist", "motorcycle": "bicyclist", "bicycle": "bicyclist",
        "car": "car", "truck": "car", "bus": "car", "train": "car",
    },
    ("camvid", "cityscapes"): {
        "sky": "sky", "building": "building", "pole": "pole", "road": "road",
        "pavement": "sidewalk", "tree": "vegetation", "sign": "traffic sign", "fence": "fence",
        "car": "car", "pedestrian": "person", "bicyclist": "rider",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PublishedIds:
    """Ids of a published data set.

    Attributes
    ----------
    names : mapping of vocabulary to {id: class name}
        The first vocabulary is the one that others are translated from.
    num_ids : int
        The data set's own list is 0 .. num_ids-1; those without a name are ignored.
    channel : str
        ``first`` where colour files hold the id in their first channel.
    """

    names: Mapping[str, Mapping[int, str]]
    num_ids: int
    channel: str = "auto"


_CITYSCAPES: Final = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole",
    19: "traffic light", 20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky",
    24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train", 32: "motorcycle",
    33: "bicycle",
}  # fmt: skip
_SYNTHIA: Final = {
    1: "sky", 2: "building", 3: "road", 4: "sidewalk", 5: "fence", 6: "vegetation", 7: "pole",
    8: "car", 9: "traffic sign", 10: "person", 11: "bicycle", 12: "motorcycle",
    15: "traffic light", 16: "terrain", 17: "rider", 18: "truck", 19: "bus", 20: "train",
    21: "wall",
}  # fmt: skip
_CARLA_AS_CAMVID: Final = {
    0: "sky", 1: "building", 2: "fence", 4: "pedestrian", 5: "pole", 6: "road", 7: "road",
    8: "pavement", 9: "tree", 10: "car", 11: "fence", 12: "sign",
}  # fmt: skip
_CARLA_AS_CITYSCAPES: Final = {
    0: "sky", 1: "building", 2: "fence", 4: "person", 5: "pole", 6: "road", 7: "road",
    8: "sidewalk", 9: "vegetation", 10: "car", 11: "wall", 12: "traffic sign",
}  # fmt: skip
_CAMVID11: Final = dict(enumerate(CLASS_SETS["camvid11"]))
_CITYSCAPES19: Final = dict(enumerate(CLASS_SETS["cityscapes19"]))
_SYNTHIA16: Final = dict(enumerate(CLASS_SETS["synthia16"]))

PUBLISHED_IDS: Final[dict[str, PublishedIds]] = {
    "cityscapes": PublishedIds({"cityscapes": _CITYSCAPES}, num_ids=34),
    "gta5": PublishedIds({"cityscapes": _CITYSCAPES}, num_ids=35),
    "synthia": PublishedIds({"cityscapes": _SYNTHIA}, num_ids=23, channel="first"),
    "carla": PublishedIds(
        {"camvid": _CARLA_AS_CAMVID, "cityscapes": _CARLA_AS_CITYSCAPES},
        num_ids=13,
        channel="first",
    ),
    "camvid": PublishedIds({"camvid": _CAMVID11}, num_ids=12),
    "camvid11": PublishedIds({"camvid": _CAMVID11}, num_ids=12),
    "cityscapes19": PublishedIds({"cityscapes": _CITYSCAPES19}, num_ids=19),
    "synthia16": PublishedIds({"cityscapes": _SYNTHIA16}, num_ids=16),
}


def resolve_classes(classes: str | Sequence[str]) -> ClassSet:
    """Look up a built-in class set by name, or make one of a list of class names.

    Raises
    ------
    ConfigError
        If the name is unknown, or the list is not 2 to 254 different non-empty names.
    """
    if isinstance(classes, str):
        if classes not in CLASS_SETS:
            msg = (
                f"classes = '{classes}' is no built-in class set. "
                f"Use one of {', '.join(CLASS_SETS)}, or an inline list of class names."
            )
            raise ConfigError(msg)
        return ClassSet(classes, CLASS_SETS[classes])
    names = tuple(classes)
    if not 2 <= len(names) < IGNORE_INDEX or len(set(names)) < len(names) or not all(names):
        msg = (
            f"classes lists {len(names)} names, {len(set(names))} of them different: "
            f"give 2 to {IGNORE_INDEX - 1} different, non-empty names."
        )
        raise ConfigError(msg)
    return ClassSet("custom", names)
