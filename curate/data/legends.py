"""What a data set itself says that its ids and colours mean, in a file beside them.

CVAT and Datumaro write ``labelmap.txt`` (https://docs.cvat.ai/docs/manual/advanced/formats) and
``dataset_meta.json`` (https://openvinotoolkit.github.io/datumaro), nnU-Net ``dataset.json``
(https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md), Unity's Perception
``annotation_definitions.json`` (SOLO schema, https://docs.unity3d.com, com.unity.perception@1.0).
NVIDIA's Replicator writes a file beside each label, ``semantic_segmentation_labels_0000.json``:
ids or colours ``(r, g, b, a)`` of that frame (https://docs.omniverse.nvidia.com, ``BasicWriter``).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from curate import errors, records
from curate.data.colours import BLACK, WHITE, Colour, to_hex
from curate.data.idmaps import IdMap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LABELMAP: Final = "labelmap.txt"
"""Says more of labels than the folders of VOC, where both are there."""

FRAMES: Final = "semantic_segmentation_labels"
"""What the files beside Replicator's labels are called, and the id map that is made of them."""

_FRAME_LABEL: Final = "semantic_segmentation"
_MAX_FRAMES: Final = 256
"""Frames, evenly spaced, of which the files are read: colours go with names, not with frames."""
_MAX_BYTES: Final = 2**20
_NOTHING: Final = ("background", "unlabelled", "unlabeled")
_FRAME_COLOUR: Final = re.compile(r"\(?\s*(\d{1,3}),\s*(\d{1,3}),\s*(\d{1,3})\b")
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


def find_frame_legend(
    root: Path, label_paths: Sequence[str], classes: records.ClassSet
) -> IdMap | None:
    """Make an id map of the files that Replicator writes beside its labels.

    An object with several names (``rack,box``) has the class that one of them names. What is not
    labelled is ignored, unless one of the classes is called background.

    Raises
    ------
    DataError
        With code ``mixed_palettes``, if an id or a colour stands for one class in one frame and for
        another one in another frame.
    """
    known = {word.lower(): word for word in classes.names}
    found = Legend({}, {})
    for label in label_paths[:: max(1, len(label_paths) // _MAX_FRAMES)]:
        path = root / frame_file(label)
        try:
            if not path.is_file() or path.stat().st_size > _MAX_BYTES:
                continue
            table = json.loads(path.read_text("utf-8-sig"))
            named = {_read_key(key): _choose_name(value, known) for key, value in table.items()}
        except _DAMAGED:
            continue
        for key, name in named.items():
            meant = found.ids if isinstance(key, int) else found.colours
            if name is not None and meant.setdefault(key, name) != name:  # type: ignore[arg-type]
                raise _torn_error(path, key, meant[key], name)  # type: ignore[index]
    return _resolve(FRAMES, found, classes)


def frame_file(label: str) -> str:
    """Return the path of the file in which Replicator says what a label shows.

    Examples
    --------
    >>> frame_file("a/semantic_segmentation_0001.png")
    'a/semantic_segmentation_labels_0001.json'
    """
    folder, slash, name = label.rpartition("/")
    number = name.rpartition(".")[0].removeprefix(_FRAME_LABEL)
    return f"{folder}{slash}{FRAMES}{number}.json"


def _read_key(key: str) -> int | Colour:
    """Read an id, or a colour with its opacity."""
    found = _FRAME_COLOUR.match(key)
    return _colour(found.groups()) if found else int(key)


def _choose_name(value: dict[str, str], known: dict[str, str]) -> str | None:
    """Choose the one class that an object's names name, '' if none does; None if several do."""
    text = str(value["class"] if "class" in value else next(iter(value.values()))).lower()
    if text in _NOTHING:
        return known.get("background", "")
    names = {known[word] for word in (text, *map(str.strip, text.split(","))) if word in known}
    return None if len(names) > 1 else next(iter(names), "")


def _torn_error(path: Path, key: int | Colour, before: str, name: str) -> errors.DataError:
    """Make the error for an id, or a colour, that means two things."""
    what = f"id {key}" if isinstance(key, int) else f"colour {to_hex(key)}"
    one, other = (f"'{word}'" if word else "no class" for word in (before, name))
    msg = (
        f"{what} stands for {one} in some frames and for {other} in {path}: one id map cannot read "
        "both. Write the labels anew with the same id or colour for a name in all frames."
    )
    return errors.DataError(msg, code="mixed_palettes")


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
