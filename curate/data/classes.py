"""Classes: built-in sets of them, and what the ids of published data sets mean.

Cityscapes and CamVid name classes differently, and some simulators' ids mean different things in
the two vocabularies, so every table of ids is written in the vocabulary (or both) that it was
published for; names are translated only where a table has no such vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from curate import errors, records
from curate.data.id_tables import OWN_CLASSES, PUBLISHED_IDS
from curate.data.id_tables.cityscapes import CITYSCAPES_CLASSES, SYNTHIA_CLASSES
from curate.data.id_tables.own import CAMVID_CLASSES

if TYPE_CHECKING:
    from collections.abc import Sequence

CLASS_SETS: Final[dict[str, tuple[str, ...]]] = {
    "cityscapes19": CITYSCAPES_CLASSES,
    "synthia16": SYNTHIA_CLASSES,
    "camvid11": CAMVID_CLASSES,
    **{name: PUBLISHED_IDS[name].words(name) for name in OWN_CLASSES},
}

VOCABULARIES: Final[dict[str, frozenset[str]]] = {
    "cityscapes": frozenset(CITYSCAPES_CLASSES),
    "camvid": frozenset(CAMVID_CLASSES),
    **{name: frozenset(CLASS_SETS[name]) for name in OWN_CLASSES},
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


def resolve_classes(classes: str | Sequence[str]) -> records.ClassSet:
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
            raise errors.ConfigError(msg)
        return records.ClassSet(classes, CLASS_SETS[classes])
    names = tuple(classes)
    if not 2 <= len(names) < records.IGNORE_INDEX or len(set(names)) < len(names) or not all(names):
        msg = (
            f"classes lists {len(names)} names, {len(set(names))} of them different: "
            f"give 2 to {records.IGNORE_INDEX - 1} different, non-empty names."
        )
        raise errors.ConfigError(msg)
    return records.ClassSet("custom", names)


UNNAMED: Final = records.ClassSet("ids", tuple(map(str, range(254))))
"""Stands for the classes where none are known: every id is a class of its own."""
