"""Ids, or colours, that the id map does not know, or that tell of another map."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from curate import records
from curate.checking import meaning
from curate.checking.problems import Problem, how_to_map, set_problem
from curate.data.id_tables import PUBLISHED_IDS, known_ids, versions
from curate.data.id_tables.cityscapes import CITYSCAPES_CLASSES
from curate.data.idmap_files import CLASS_INDICES, parse_colour

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.checking.facts import Facts, Survey
    from curate.data.idmaps import IdMap

MAX_STRAY: Final = 0.02
"""Share of a set's files that may hold ids of no known meaning; these alone are then left out."""
MOST_BLENDED: Final = 0.25
"""Share of a label's pixels that blended edges may take."""
LEAST_LOW: Final = 0.2
"""Share of pixels of low ids without a class that tells of train ids, or of class indices."""
MAX_NOISE: Final = 24
"""Levels of red, green or blue by which JPEG changes most pixels at most."""
INSTANCES: Final = 1000
"""By how much ids of instances are multiplied to make room for their number."""
LEAST_BETWEEN: Final = 16
"""Number of unknown ids above which they may be blends of known ones."""
LEAST_EDGES: Final = 100
"""Pixels along edges by which it can be told whether these were blended."""
MOST_BETWEEN: Final = 0.2
"""Share of them whose ids may lie between their neighbours'; .02 where nothing was blended."""
MOST_ALIKE: Final = 0.9
"""Share of those in between that has one id where this is a class of outlines."""
LEAST_SEEN: Final = 8
"""Files of SYNTHIA by which it can be told which of its parts they are of."""
LANE_MARKING: Final = 12
_NUM_LISTED: Final = 10


def find_id_faults(survey: Survey, usable: list[Facts]) -> Iterator[Problem]:
    """Yield what the ids of the readable labels of a set tell of its id map."""
    blended = _blended_ids(survey, usable)
    if blended is not None:
        yield blended
        return
    yield from _unknown_ids(survey, usable)
    yield from _ignored_ids(survey)
    yield from _sequences(survey, usable)


def _blended_ids(survey: Survey, usable: list[Facts]) -> Problem | None:
    """Find labels whose edges show ids, known or not, that lie between those of both sides."""
    id_map = survey.source.id_map
    files = [f for f in usable if not f.palette and not meaning.is_by_colour(f, id_map)]
    num_edges = sum(f.num_edges for f in files)
    between: Counter[int] = Counter()
    for facts in files:
        between.update(facts.between)
    num = between.total()
    if num_edges < LEAST_EDGES or num <= MOST_BETWEEN * num_edges:
        return None
    is_noise = sum(f.num_beyond for f in files) >= num
    if is_noise or max(between.values()) > MOST_ALIKE * num:
        return None
    return set_problem(
        survey,
        "mostly_unfit",
        f"{num / num_edges:.0%} of the edges in the labels of {survey.name} have an id between "
        "those of both sides (as 2 between 1 and 3): labels that were resized with interpolation, "
        "or stored as JPEG, show classes along edges that are not there. Make them anew from the "
        "originals: without interpolation (nearest neighbour), as PNG.",
    )


def _unknown_ids(survey: Survey, usable: list[Facts]) -> Iterator[Problem]:
    """Find ids that the map does not know and that tell of another map."""
    source = survey.source
    unknown: Counter[int | str] = Counter()
    num_files = 0
    for facts in usable:
        found = meaning.interpret(facts, source.id_map).unmapped
        num_files += bool(found)
        unknown.update(found)
    ids = sorted(raw for raw in unknown if isinstance(raw, int))
    if not ids:
        grey = _grey_for_colours(survey, usable, unknown, num_files)
        if grey is not None:
            yield grey
            return
        yield from _blended_edges(survey, usable, unknown, num_files)
        return
    seen = set(meaning.count_raw(survey))
    reading = _explain_ids(survey, seen, ids)
    if not reading and num_files <= max(1, MAX_STRAY * len(usable)):
        return  # some files are odd, which are left out
    is_bare = source.is_map_assumed
    first = next(f for f in usable if meaning.interpret(f, source.id_map).unmapped)
    what = (
        f"no id map is given, and the {len(source.classes)} classes have ids 0 .. "
        f"{len(source.classes) - 1}"
        if is_bare
        else f"id map '{source.id_map.name}' does not know them"
    )
    yield set_problem(
        survey,
        "ids_without_map" if is_bare else "wrong_id_map",
        f"The labels of {survey.name} hold ids {_list_ids(ids)} in {num_files:,} of "
        f"{len(usable):,} files (the first: {first.label_path}): {what}, so none of the set's ids "
        f"can be trusted. {reading or _how_to_write(ids, source.classes.names)}"
        f"{how_to_map(survey)}.",
    )


def _how_to_write(ids: list[int], names: tuple[str, ...]) -> str:
    """Say what unknown ids may come of, and what an id map of the user's own looks like."""
    large = [raw for raw in ids if INSTANCES <= raw < 2**16 - 1]
    if large:
        first = (
            f"They look like ids of instances ({large[0]} = {large[0] // INSTANCES} and a number)"
        )
        return f"{first}: take the files of classes beside them, or write a TOML file of ids. "
    if len(ids) > max(LEAST_BETWEEN, len(names)):
        return (
            "So many ids may be blends: labels resized with interpolation, or stored as JPEG. Make "
            "them anew without, or write a TOML file of ids. "
        )
    return (
        f'Write a TOML file that gives all ids their class, {ids[0]} = "{names[-1]}" and so on '
        f"under [ids], those without one in ignore = [{ids[0]}, ..]. "
    )


def _explain_ids(survey: Survey, seen: set[int], unknown: list[int]) -> str:
    """Say what ids tell of: another version's map, 1-based ids, a void class; empty if nothing."""
    source = survey.source
    num_classes = len(source.classes)
    version = _other_version(source.id_map.name, seen)
    if version:
        return f"They fit id map {version}. "
    if source.id_map.name in PUBLISHED_IDS and not source.is_map_assumed:
        return ""
    if unknown == [num_classes] and set(source.id_map.ids) == set(range(num_classes)):
        names = source.classes.names
        void = f'ignore = [{num_classes}], [ids], 0 = "{names[0]}" .. {num_classes - 1} = '
        void += f'"{names[-1]}"'
        based = f'ignore = [0], [ids], 1 = "{names[0]}" .. {num_classes} = "{names[-1]}"'
        both = f"If {num_classes} is void, write a TOML file with the lines {void}; "
        return f"{both}if ids are counted from 1 (0 = unlabelled), one with {based}. "
    step = min(seen - {0, records.IGNORE_INDEX}, default=0)
    if step > 1 and len(seen) > 2 and all(raw % step == 0 for raw in seen):
        return f"All are multiples of {step}: they may be {step} times the class. "
    return ""


def _other_version(name: str, seen: set[int]) -> str:
    """Name the published maps of the same family that know all ids; empty if there is none."""
    fitting = [f"'{other}'" for other in versions(name) if seen <= known_ids(other)]
    return " or ".join(fitting[:3])


def _blended_edges(
    survey: Survey, usable: list[Facts], unknown: Counter[int | str], num_files: int
) -> Iterator[Problem]:
    """Find colours that lie between those of the map: labels that were resized, or were JPEG."""
    id_map = survey.source.id_map
    coloured = [f for f in usable if meaning.is_by_colour(f, id_map)]
    share = unknown.total() / max(1, sum(f.num_pixels for f in coloured))
    is_many = len(unknown) > len(id_map.colours or ())
    is_blended = is_many and (share < MOST_BLENDED or _are_near(unknown, id_map))
    if not is_blended or num_files * 2 <= len(usable):
        return
    yield set_problem(
        survey,
        "mostly_unfit",
        f"{num_files:,} of {len(usable):,} labels of {survey.name} hold colours between those of "
        f"id map '{id_map.name}' ({share:.1%} of the pixels): edges were blended when they were "
        f"resized, or stored as JPEG. Make them anew without interpolation, or set unmapped = "
        f'"nearest" or "ignore" in {id_map.name}.',
    )


def _are_near(unknown: Counter[int | str], id_map: IdMap) -> bool:
    """Tell whether most pixels of unknown colours are nearly of a known one."""
    seen = {colour: n for colour, n in unknown.items() if str(colour).startswith("#")}
    colours = np.array([parse_colour(colour) for colour in seen], np.float32).reshape(-1, 3)
    known = np.array([*(id_map.colours or {}), *id_map.ignored_colours], np.float32)
    near = np.zeros(len(colours), bool)
    for colour in known:
        near |= np.abs(colours - colour).max(axis=1) <= MAX_NOISE
    return bool(np.array([*seen.values()])[near].sum() * 2 > sum(seen.values()))


def _sequences(survey: Survey, usable: list[Facts]) -> Iterator[Problem]:
    """Find ids of SYNTHIA's video sequences, where 12 is a lane marking, not a motorcycle."""
    if survey.source.id_map.name != "synthia" or len(usable) < LEAST_SEEN:
        return
    has_markings = sum(LANE_MARKING in facts.ids for facts in usable)
    rare = set(meaning.count_raw(survey)).difference(known_ids("synthia-seqs"))
    if rare or has_markings * 2 < len(usable):
        return
    yield set_problem(
        survey,
        "wrong_id_map",
        f"The labels of {survey.name} hold id {LANE_MARKING} in {has_markings:,} of "
        f"{len(usable):,} files and none of SYNTHIA-RAND-CITYSCAPES above 15: they look like its "
        f"video sequences, where {LANE_MARKING} is lane marking, not motorcycle. Then the id map "
        f"is 'synthia-seqs'. {how_to_map(survey)}.",
    )


def _ignored_ids(survey: Survey) -> Iterator[Problem]:
    """Find train ids, or class indices, that the map takes for ids and mostly ignores."""
    source = survey.source
    published = PUBLISHED_IDS.get(source.id_map.name)
    seen = meaning.count_raw(survey)
    kept = [raw for raw in seen if raw != records.IGNORE_INDEX]
    if published is None or len(kept) < 3 or min(kept) > 0:
        return
    has_train_ids = published.num_ids >= 30 and published.vocabularies[0] == "cityscapes"
    readings = []
    if has_train_ids and max(kept) < len(CITYSCAPES_CLASSES):
        readings.append("train ids (then the id map is 'cityscapes-trainids')")
    if max(kept) < len(source.classes) <= published.num_ids / 2:
        readings.append(f"indices of the classes in use (then it is '{CLASS_INDICES}')")
    ignored = [raw for raw in kept if raw in source.id_map.ignored]
    share = sum(seen[raw] for raw in ignored) / seen.total()
    if not readings or share <= LEAST_LOW:
        return
    yield set_problem(
        survey,
        "wrong_id_map",
        f"The labels of {survey.name} hold ids 0 .. {max(kept)} only, and id map "
        f"'{source.id_map.name}' ignores {share:.0%} of their pixels (ids "
        f"{', '.join(map(str, sorted(ignored)))}): they look like {', or like '.join(readings)}. "
        f"{how_to_map(survey)}.",
    )


def _grey_for_colours(
    survey: Survey, usable: list[Facts], unknown: Counter[int | str], num_files: int
) -> Problem | None:
    """Find ids in grey labels, of which a map of colours knows none."""
    source = survey.source
    grey = [f for f in usable if f.label_kind == "grey"]
    is_grey = unknown and all(text[1:3] == text[3:5] == text[5:] for text in map(str, unknown))
    if source.id_map.ids or not is_grey or min(len(grey), num_files) * 2 <= len(usable):
        return None
    ids = sorted(set().union(*(f.ids for f in grey)) - {records.IGNORE_INDEX})
    names = source.classes.names
    indices = f"If they are the indices of the classes in use, the id map is '{CLASS_INDICES}'. "
    lines = f'[ids], {ids[0]} = "{names[0]}" and so on'
    return set_problem(
        survey,
        "wrong_id_map",
        f"The labels of {survey.name} are grey (ids {_list_ids(ids)}), and id map "
        f"'{source.id_map.name}' maps colours. {indices if max(ids) < len(names) else ''}"
        f"Else write a TOML file with the lines {lines}. {how_to_map(survey)}.",
    )


def _list_ids(ids: list[int]) -> str:
    """Name ids, at most ten."""
    return ", ".join(map(str, ids[:_NUM_LISTED])) + (" .." if len(ids) > _NUM_LISTED else "")
