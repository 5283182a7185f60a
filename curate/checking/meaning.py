"""What the ids that were seen stand for, by an id map."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from curate import records
from curate.data import labels
from curate.data.colours import to_hex
from curate.data.idmap_files import parse_colour

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.checking.facts import Facts, Survey
    from curate.data.dataset import DataSource
    from curate.data.idmaps import IdMap

CODED: Final = "colour_coded"


@dataclass(slots=True)
class Meaning:
    """What a label shows.

    Attributes
    ----------
    class_px : dict of int to int
        Pixels of each class.
    ignored_px : int
    unmapped : Counter of int, or of str
        Pixels of each id, or colour, that the map does not know.
    code : str
        ``ok``, or what keeps the label from being read by this map.
    """

    class_px: Counter[int] = field(default_factory=Counter)
    ignored_px: int = 0
    unmapped: Counter[int | str] = field(default_factory=Counter)
    code: str = records.OK


def interpret(facts: Facts, id_map: IdMap) -> Meaning:
    """Read what was counted as `labels.pick_ids` and `IdMap.apply` would read the file."""
    if is_by_colour(facts, id_map):
        return _interpret_colours(facts, id_map)
    if facts.num_colours and id_map.channel != "first" and facts.label_bits == 8:
        return Meaning(code=CODED)
    if labels.looks_up_colours(id_map, facts.label_bits <= 8):  # shown by a palette, or in grey
        shown = Counter[str]()
        for raw, count in facts.ids.items():
            grey = raw * 255 // (2**facts.label_bits - 1)
            text = facts.palette.get(raw, "#ffffff") if facts.palette else to_hex((grey,) * 3)
            shown[text] += count
        return _interpret_colours(replace(facts, colours=dict(shown)), id_map)
    found = Meaning()
    for raw, count in facts.ids.items():
        if raw in id_map.ids:
            found.class_px[id_map.ids[raw]] += count
        elif raw in id_map.ignored or id_map.unmapped == "ignore":
            found.ignored_px += count
        else:
            found.unmapped[raw] += count
    return _judge(found)


def is_by_colour(facts: Facts, id_map: IdMap) -> bool:
    """Tell whether colours are looked up, not ids."""
    return bool(id_map.colours) and facts.num_colours > 0 and facts.label_bits == 8


def _interpret_colours(facts: Facts, id_map: IdMap) -> Meaning:
    """Look colours up; those that were not kept are taken for unmapped ones."""
    found, colours = Meaning(), id_map.colours or {}
    for text, count in facts.colours.items():
        colour = parse_colour(text)
        if colour in colours:
            found.class_px[colours[colour]] += count
        elif colour in id_map.ignored_colours or id_map.unmapped == "ignore":
            found.ignored_px += count
        elif id_map.unmapped == "nearest":
            (index,) = id_map.find_nearest(np.array([colour], np.uint8))
            if index == records.IGNORE_INDEX:
                found.ignored_px += count
            else:
                found.class_px[int(index)] += count
        else:
            found.unmapped[text] += count
    rest = facts.num_pixels - sum(facts.colours.values())
    if rest and id_map.unmapped != "error":
        found.ignored_px += rest
    elif rest:
        found.unmapped["others"] += rest
    return _judge(found)


def _judge(found: Meaning) -> Meaning:
    """Set the code that reading the label would end with."""
    if found.unmapped:
        found.code = "unmapped_ids"
    elif not found.class_px:
        found.code = "all_ignored"
    return found


def share_classes(facts: Facts, source: DataSource) -> NDArray[np.float64]:
    """Return the share of an image's area that each class has: (C,) float64."""
    shares = np.zeros(len(source.classes))
    for index, count in interpret(facts, source.id_map).class_px.items():
        shares[index] = count / facts.num_pixels
    return shares


def count_raw(survey: Survey) -> Counter[int]:
    """Count the pixels of each id in all readable labels together."""
    total: Counter[int] = Counter()
    for facts in survey.readable():
        total.update(facts.ids)
    return total
