"""Labels that cannot all mean what the id map says: faults that many files show together."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from curate import records
from curate.checking import meaning
from curate.checking.problems import Problem, make_problem
from curate.data.id_tables import PUBLISHED_IDS, known_ids, versions
from curate.data.id_tables.cityscapes import CITYSCAPES_CLASSES
from curate.data.idmap_files import CLASS_INDICES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.checking.facts import Facts, Survey

MAX_STRAY: Final = 0.02
"""Share of a set's files that may hold ids of no known meaning; these alone are then left out."""
MAX_CODES: Final = 64
"""Different colours that a set of colour-coded labels may have; instances have more."""
LEAST_CODE: Final = 40
"""A value of red above all published ids: codes for classes have such, ids with instances not."""
MOST_BLENDED: Final = 0.25
"""Share of a label's pixels that blended edges may take."""
LEAST_LOW: Final = 0.2
"""Share of pixels of low ids without a class that tells of train ids, or of class indices."""
_NUM_LISTED: Final = 10


def find_label_faults(survey: Survey) -> Iterator[Problem]:
    """Yield what is wrong with the labels of a set as a whole."""
    usable = [facts for facts in survey.readable() if facts.ids]
    if not usable:
        return
    coded = _find_codes(survey, usable)
    yield from _mixed_depths(survey, usable)
    yield from _palettes(survey, usable)
    if coded is not None:
        yield coded
        return
    masks = _find_masks(survey, usable)
    if masks is not None:
        yield masks
        return
    yield from _unknown_ids(survey, usable)
    yield from _ignored_ids(survey)


def how_to_map(survey: Survey) -> str:
    """Say where the id map of a set is named: in curate.toml, or by an option."""
    if survey.side:
        return f'Name it with id_map = ".." under the set\'s [[{survey.side}]] table in curate.toml'
    return "Name it with --id-map of check, score and audit"


def _set_problem(survey: Survey, code: str, message: str) -> Problem:
    """Make a problem of the whole set."""
    return make_problem(code, message, dataset=survey.source.root)


def _find_codes(survey: Survey, usable: list[Facts]) -> Problem | None:
    """Find labels in which colours stand for classes, although the map maps ids."""
    id_map = survey.source.id_map
    coloured = [f for f in usable if f.num_colours and not meaning.is_by_colour(f, id_map)]
    if not coloured or id_map.colours:
        return None
    colours: Counter[str] = Counter()
    for facts in coloured:
        colours.update(facts.colours)
    if id_map.channel == "first":
        reds = {int(colour[1:3], 16) for colour in colours}
        unknown = reds.difference(id_map.ids, id_map.ignored)
        several = len(colours) > MAX_CODES or any(not facts.colours for facts in coloured)
        if several or max(unknown, default=0) < LEAST_CODE:
            return None  # instances, or ids of another version
    seen = ", ".join(colour for colour, _ in colours.most_common(_NUM_LISTED)) or "many colours"
    first = (
        ""
        if id_map.channel != "first"
        else ("the id is expected in red, but green and blue differ with it: ")
    )
    return _set_problem(
        survey,
        "colour_coded",
        f"{len(coloured):,} of {len(usable):,} labels of {survey.name} are in colour, and id map "
        f"'{id_map.name}' maps ids; {first}the colours stand for classes ({seen}). Write a TOML "
        f'file with a line for each under [colours], such as "#804080" = "road". '
        f"{how_to_map(survey)}.",
    )


def _mixed_depths(survey: Survey, usable: list[Facts]) -> Iterator[Problem]:
    """Find grey labels of different bits: of few bits, a value may be stretched or not."""
    depths = Counter(f.label_bits for f in usable if f.label_kind == "grey")
    if len(depths) < 2 or min(depths) == 8:
        return
    listed = ", ".join(f"{n:,} of {bits} bits" for bits, n in sorted(depths.items()))
    few = next(f for f in usable if f.label_kind == "grey" and f.label_bits == min(depths))
    yield _set_problem(
        survey,
        "mixed_bit_depth",
        f"The grey labels of {survey.name} are stored with different bits ({listed}), so that one "
        f"value can mean two things: 1 of 1 bit is 255 of 8 bits. {few.label_path} has "
        f"{few.label_bits}. Store all labels with 8 bits, the same value for the same class.",
    )


def _palettes(survey: Survey, usable: list[Facts]) -> Iterator[Problem]:
    """Find palettes by which the indices cannot mean the same in all files."""
    if survey.source.id_map.colours:
        return
    files = [f for f in usable if f.palette]
    colours: dict[int, Counter[str]] = defaultdict(Counter)
    indices: dict[str, set[int]] = defaultdict(set)
    for facts in files:
        for index, colour in facts.palette.items():
            colours[index][colour] += 1
            indices[colour].add(index)
    torn = sorted(index for index, seen in colours.items() if len(seen) > 1)
    advice = (
        "Store the labels with one palette, or map their colours by a TOML file with a [colours] "
        f"table. {how_to_map(survey)}."
    )
    if torn:
        index = max(torn, key=lambda i: colours[i].total())
        usual, odd = (colour for colour, _ in colours[index].most_common(2))
        example = next(f for f in files if f.palette.get(index) == odd)
        moved = any(len(indices[colour]) > 1 for i in torn for colour in colours[i])
        what = "hold the same colours in another order" if moved else "differ"
        yield _set_problem(
            survey,
            "permuted_palette" if moved else "mixed_palettes",
            f"The palettes of the labels of {survey.name} {what}: index {index} is {usual} in most "
            f"files and {odd} in {example.label_path}, so an index does not mean the same in all "
            f"of them. {advice}",
        )
    elif _hides_ids(survey, colours):
        pairs = ", ".join(f"{i} is {int(c[1:3], 16)}" for i, c in _sole(colours)[:_NUM_LISTED])
        yield _set_problem(
            survey,
            "permuted_palette",
            f"The palettes of the labels of {survey.name} are greys that are ids themselves, and "
            f"not those of their indices (index {pairs}): a program that stored grey files with a "
            f"palette has renumbered them. {advice}",
        )


def _sole(colours: dict[int, Counter[str]]) -> list[tuple[int, str]]:
    """List each index with its one colour."""
    return [(index, next(iter(seen))) for index, seen in sorted(colours.items())]


def _hides_ids(survey: Survey, colours: dict[int, Counter[str]]) -> bool:
    """Tell whether all palette colours are greys that are known ids, some not their own index."""
    id_map = survey.source.id_map
    sole = _sole(colours)
    greys = [int(c[1:3], 16) for _, c in sole if c[1:3] == c[3:5] == c[5:7]]
    if len(greys) < max(2, len(sole)) or set(greys) <= {0, 255}:
        return False
    known = set(id_map.ids) | set(id_map.ignored)
    return set(greys) <= known and greys != [index for index, _ in sole]


def _find_masks(survey: Survey, usable: list[Facts]) -> Problem | None:
    """Find masks of 0 and 255, of which 255 is a class and not what is ignored."""
    source = survey.source
    seen = meaning.count_raw(survey)
    is_mask = set(seen) == {0, 255}
    if not is_mask or 255 in source.id_map.ids or any(f.palette for f in usable):
        return None
    if (source.root / records.SUBSET_RECORD).exists():
        return None  # 255 is what was not selected
    share = seen[255] / seen.total()
    other = source.classes.names[1] if len(source.classes) == 2 else "which"
    return _set_problem(
        survey,
        "binary_255",
        f"The labels of {survey.name} hold 0 and 255 only, and 255 ({share:.1%} of the pixels) is "
        f"ignored, so one class is left. If 255 is class '{other}', write a TOML file with the "
        f'lines [ids], 0 = "{source.classes.names[0]}", 255 = "{other}". {how_to_map(survey)}.',
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
    yield _set_problem(
        survey,
        "ids_without_map" if is_bare else "wrong_id_map",
        f"The labels of {survey.name} hold ids {_list_ids(ids)} in {num_files:,} of "
        f"{len(usable):,} files (the first: {first.label_path}): {what}, so none of the set's ids "
        f"can be trusted. {reading or _how_to_write(ids[0], source.classes.names)}"
        f"{how_to_map(survey)}.",
    )


def _how_to_write(raw: int, names: tuple[str, ...]) -> str:
    """Say what an id map of the user's own looks like."""
    return (
        f'Write a TOML file that gives all ids their class, {raw} = "{names[-1]}" and so on under '
        f"[ids], those without one in ignore = [{raw}, ..]. "
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
    is_blended = len(unknown) > len(id_map.colours or ()) and share < MOST_BLENDED
    if not is_blended or num_files * 2 <= len(usable):
        return
    yield _set_problem(
        survey,
        "mostly_unfit",
        f"{num_files:,} of {len(usable):,} labels of {survey.name} hold colours between those of "
        f"id map '{id_map.name}' ({share:.1%} of the pixels): edges were blended when they were "
        f"resized, or stored as JPEG. Make them anew without interpolation, or set unmapped = "
        f'"nearest" or "ignore" in {id_map.name}.',
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
    yield _set_problem(
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
    return _set_problem(
        survey,
        "wrong_id_map",
        f"The labels of {survey.name} are grey (ids {_list_ids(ids)}), and id map "
        f"'{source.id_map.name}' maps colours. {indices if max(ids) < len(names) else ''}"
        f"Else write a TOML file with the lines {lines}. {how_to_map(survey)}.",
    )


def _list_ids(ids: list[int]) -> str:
    """Name ids, at most ten."""
    return ", ".join(map(str, ids[:_NUM_LISTED])) + (" .." if len(ids) > _NUM_LISTED else "")
