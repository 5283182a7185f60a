"""Built-in class sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from curate.errors import ConfigError
from curate.records import IGNORE_INDEX, ClassSet

if TYPE_CHECKING:
    from collections.abc import Sequence

_CITYSCAPES: Final = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
_NOT_IN_SYNTHIA: Final = ("terrain", "truck", "train")
_CAMVID: Final = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip

CLASS_SETS: Final[dict[str, tuple[str, ...]]] = {
    "cityscapes19": _CITYSCAPES,
    "synthia16": tuple(name for name in _CITYSCAPES if name not in _NOT_IN_SYNTHIA),
    "camvid11": _CAMVID,
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
