"""What a data set itself says that its ids and colours mean, in a file beside them.

CVAT and Datumaro write ``labelmap.txt`` (https://docs.cvat.ai/docs/manual/advanced/formats) and
``dataset_meta.json`` (https://openvinotoolkit.github.io/datumaro), nnU-Net ``dataset.json``
(https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md), Unity's Perception
``annotation_definitions.json`` (SOLO schema, https://docs.unity3d.com, com.unity.perception@1.0).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from curate import records
from curate.data.colours import BLACK, WHITE, Colour
from curate.data.idmaps import IdMap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LABELMAP: Final = "labelmap.txt"
"""Says more of labels than the folders of VOC, where both are there."""

_MAX_BYTES: Final = 2**20
_LABELMAP_LINE: Final = re.compile(r"([^#:][^:]*):(\d{1,3}),(\d{1,3}),(\d{1,3}):")
_DAMAGED: Final = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class Legend(NamedTuple):
    """Names of ids and of colours."""

    ids: dict[int, str]
    colours: dict[Colour, str]


def find_legend(root: Path, classes: records.ClassSet) -> IdMap | None:
    """Make an id map of what a data set says of its labels.

    Names are compared with those of `classes` without regard to case; those of no class are
    ignored.

    Returns
    -------
    id_map : IdMap or None
        None if there is no such file, it cannot be read, or it names none of the classes.
    """
    for name, read in LEGENDS.items():
        path = root / name
        try:
            if not path.is_file() or path.stat().st_size > _MAX_BYTES:
                continue
            legend = read(path.read_text("utf-8-sig"))
        except _DAMAGED:
            continue
        id_map = _resolve(name, legend, classes)
        if id_map is not None:
            return id_map
    return None


def _resolve(name: str, legend: Legend, classes: records.ClassSet) -> IdMap | None:
    """Go from names to indices of `classes`."""
    index_of = {word.lower(): index for index, word in enumerate(classes.names)}
    ids = {raw: index_of[w.lower()] for raw, w in legend.ids.items() if w.lower() in index_of}
    colours = {c: index_of[w.lower()] for c, w in legend.colours.items() if w.lower() in index_of}
    if not (ids or colours):
        return None
    return IdMap(
        name,
        ids,
        frozenset({*legend.ids, records.IGNORE_INDEX}.difference(ids)),
        colours=colours or None,
        ignored_colours=frozenset({*legend.colours, WHITE}.difference(colours)),
    )


def _read_labelmap(text: str) -> Legend:
    """Read lines such as ``road:128,64,128::``."""
    found = [_LABELMAP_LINE.match(line) for line in text.splitlines()]
    return Legend({}, {_colour(line.groups()[1:]): line[1].strip() for line in found if line})


def _read_dataset_meta(text: str) -> Legend:
    """Read names by id, and the colour of each id."""
    table = json.loads(text)
    ids = {int(raw): str(name) for raw, name in table["label_map"].items()}
    colours = table.get("segmentation_colors") or []
    return Legend(ids, {_colour(c): ids[raw] for raw, c in enumerate(colours) if raw in ids})


def _read_dataset_json(text: str) -> Legend:
    """Read ``{"labels": {"road": 1}}``, or the other way round; groups of ids are left out."""
    labels = json.loads(text)["labels"].items()
    by_name = {value: str(key) for key, value in labels if isinstance(value, int)}
    return Legend(by_name or {int(key): str(value) for key, value in labels}, {})


def _read_definitions(text: str) -> Legend:
    """Read the colours of the definition of semantic segmentation."""
    found: dict[Colour, str] = {}
    for definition in json.loads(text)["annotationDefinitions"]:
        for entry in definition.get("spec", ()):
            if "pixel_value" in entry:
                found[_colour(entry["pixel_value"])] = str(entry["label_name"])
    found.setdefault(BLACK, "")  # what objects without a label are drawn in
    return Legend({}, found)


def _colour(values: Any) -> Colour:  # noqa: ANN401
    """Read red, green and blue of 0 .. 255."""
    red, green, blue = (int(value) for value in tuple(values)[:3])
    if not all(0 <= value <= 255 for value in (red, green, blue)):
        msg = f"{values} is no colour"
        raise ValueError(msg)
    return red, green, blue


LEGENDS: Final[dict[str, Callable[[str], Legend]]] = {
    LABELMAP: _read_labelmap,
    "dataset_meta.json": _read_dataset_meta,
    "dataset.json": _read_dataset_json,
    "annotation_definitions.json": _read_definitions,
}
"""Name of the file -> how it is read."""
