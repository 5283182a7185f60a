"""Cityscapes, and the data sets that took over its ids or its train ids.

Sources: Cityscapes, https://github.com/mcordts/cityscapesScripts (``helpers/labels.py``), which
GTA5 follows (https://download.visinf.tu-darmstadt.de/data/from_games), and so do the labels of
KITTI (https://www.cvlibs.net/datasets/kitti/eval_semantics.php), Synscapes
(https://synscapes.on.liu.se/features.html), ACDC and Dark Zurich (https://acdc.vision.ee.ethz.ch).
BDD100K's masks (https://doc.bdd100k.com/format.html#semantic-segmentation) and UrbanSyn
(https://www.urbansyn.org; 19 = unlabelled) hold train ids. IDD:
https://github.com/AutoNUE/public-code (``helpers/anue_labels.py``, level3Id). ApolloScape:
https://github.com/ApolloScapeAuto/dataset-api (scene parsing). SYNTHIA-RAND-CITYSCAPES:
https://synthia-dataset.net; its video sequences have lane marking at 12 and end at 15.
"""

from __future__ import annotations

from typing import Final

from curate.data.id_tables.table import PublishedIds

CITYSCAPES_CLASSES: Final = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
NOT_IN_SYNTHIA: Final = ("terrain", "truck", "train")
SYNTHIA_CLASSES: Final = tuple(name for name in CITYSCAPES_CLASSES if name not in NOT_IN_SYNTHIA)

_CITYSCAPES: Final = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole",
    19: "traffic light", 20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky",
    24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train", 32: "motorcycle",
    33: "bicycle",
}  # fmt: skip
_TRAIN_IDS: Final = dict(enumerate(CITYSCAPES_CLASSES))
_SYNTHIA: Final = {
    1: "sky", 2: "building", 3: "road", 4: "sidewalk", 5: "fence", 6: "vegetation", 7: "pole",
    8: "car", 9: "traffic sign", 10: "person", 11: "bicycle", 12: "motorcycle",
    15: "traffic light", 16: "terrain", 17: "rider", 18: "truck", 19: "bus", 20: "train",
    21: "wall",
}  # fmt: skip
_SYNTHIA_SEQS: Final = {
    1: "sky", 2: "building", 3: "road", 4: "sidewalk", 5: "fence", 6: "vegetation", 7: "pole",
    8: "car", 9: "traffic sign", 10: "person", 11: "bicycle", 12: "road", 15: "traffic light",
}  # fmt: skip
_IDD_OWN: Final = dict(enumerate((
    "road", "drivable fallback", "sidewalk", "non-drivable fallback", "person", "rider",
    "motorcycle", "bicycle", "autorickshaw", "car", "truck", "bus", "vehicle fallback", "curb",
    "wall", "fence", "guard rail", "billboard", "traffic sign", "traffic light", "pole",
    "obstacle fallback", "building", "bridge", "vegetation", "sky",
)))  # fmt: skip
_APOLLOSCAPE_OWN: Final = {
    17: "sky", 33: "car", 34: "motorcycle", 35: "bicycle", 36: "person", 37: "rider", 38: "truck",
    39: "bus", 40: "tricycle", 49: "road", 50: "sidewalk", 65: "traffic cone", 66: "road pile",
    67: "fence", 81: "traffic light", 82: "pole", 83: "traffic sign", 84: "wall", 85: "dustbin",
    86: "billboard", 97: "building", 98: "bridge", 99: "tunnel", 100: "overpass",
    113: "vegetation",
}  # fmt: skip


def _only_cityscapes(names: dict[int, str]) -> dict[int, str]:
    """Keep the classes that Cityscapes has, too."""
    return {raw: name for raw, name in names.items() if name in CITYSCAPES_CLASSES}


CITYSCAPES_TABLES: Final[dict[str, PublishedIds]] = {
    "cityscapes": PublishedIds({"cityscapes": _CITYSCAPES}, num_ids=34),
    "gta5": PublishedIds({"cityscapes": _CITYSCAPES}, num_ids=35),
    "kitti": PublishedIds({"cityscapes": _CITYSCAPES}, num_ids=34),
    "synscapes": PublishedIds({"cityscapes": _CITYSCAPES}, num_ids=34),
    "acdc": PublishedIds({"cityscapes": _CITYSCAPES}, num_ids=34),
    "synthia": PublishedIds({"cityscapes": _SYNTHIA}, num_ids=23, channel="first"),
    "synthia-seqs": PublishedIds({"cityscapes": _SYNTHIA_SEQS}, num_ids=16, channel="first"),
    "cityscapes19": PublishedIds({"cityscapes": _TRAIN_IDS}, num_ids=19),
    "cityscapes-trainids": PublishedIds({"cityscapes": _TRAIN_IDS}, num_ids=19),
    "gta5-trainids": PublishedIds({"cityscapes": _TRAIN_IDS}, num_ids=19),
    "bdd100k": PublishedIds({"cityscapes": _TRAIN_IDS}, num_ids=19),
    "urbansyn": PublishedIds({"cityscapes": _TRAIN_IDS}, num_ids=20),
    "synthia16": PublishedIds({"cityscapes": dict(enumerate(SYNTHIA_CLASSES))}, num_ids=16),
    "idd": PublishedIds({"idd": _IDD_OWN, "cityscapes": _only_cityscapes(_IDD_OWN)}, num_ids=26),
    "apolloscape": PublishedIds(
        {"apolloscape": _APOLLOSCAPE_OWN, "cityscapes": _only_cityscapes(_APOLLOSCAPE_OWN)},
        num_ids=169,
    ),
}
"""Id map -> its table."""
