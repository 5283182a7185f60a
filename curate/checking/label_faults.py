"""Labels that cannot all mean what the id map says: faults that many files show together."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from curate import records
from curate.checking import id_faults, meaning
from curate.checking.problems import Problem, how_to_map, set_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curate.checking.facts import Facts, Survey
    from curate.data.dataset import DataSource

MAX_CODES: Final = 64
"""Different colours that a set of colour-coded labels may have; instances have more."""
LEAST_CODE: Final = 40
"""A value of red above all published ids: codes for classes have such, ids with instances not."""
LEAST_MASKS: Final = 3
"""Files of 0 and 255, and of 0 and 1, by which a set is a mixture of both."""
BINARY: Final = frozenset(map(frozenset, ({0}, {1}, {255}, {0, 1}, {0, 255})))
_NUM_LISTED: Final = 10


def find_swapped_palettes(surveys: Sequence[Survey]) -> Iterator[Problem]:
    """Find two sets, both read as class indices, whose palettes have their colours swapped."""
    bare = [each for each in surveys if each.source.is_map_assumed]
    palettes = [(each, _common_palette(each)) for each in bare]
    known = [(each, palette) for each, palette in palettes if len(palette) > 1]
    for each, palette in known[1:]:
        first, usual = known[0]
        shared = palette.keys() & usual.keys()
        torn = sorted(index for index in shared if palette[index] != usual[index])
        if not torn or not {palette[i] for i in torn} <= set(usual.values()):
            continue
        yield set_problem(
            each,
            "permuted_palette",
            f"The palettes of {each.name} and {first.name} hold the same colours in another order: "
            f"index {torn[0]} is {palette[torn[0]]} in one and {usual[torn[0]]} in the other, and "
            f"both are read as class indices. Give one of them a TOML file with a [colours] table, "
            f"or ids of its own. {how_to_map(each)}.",
        )


def _common_palette(survey: Survey) -> dict[int, str]:
    """Collect the colour of each index that occurs in a set's palette files."""
    return {i: c for facts in survey.readable() for i, c in facts.palette.items()}


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
    yield from id_faults.find_id_faults(survey, usable)


def _find_codes(survey: Survey, usable: list[Facts]) -> Problem | None:
    """Find labels in which colours stand for classes, although the map maps ids."""
    id_map = survey.source.id_map
    coloured = [f for f in usable if f.num_colours and not meaning.is_by_colour(f, id_map)]
    if len(coloured) <= id_faults.MAX_STRAY * len(usable) or id_map.colours:
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
    blends = (
        f" There are {len(colours):,} colours or more: most may be edges that were blended when "
        'labels were resized, or stored as JPEG, which unmapped = "nearest" in that file takes '
        "for the nearest known colour."
        if len(colours) > len(survey.source.classes) + id_faults.LEAST_BETWEEN
        else ""
    )
    first = (
        ""
        if id_map.channel != "first"
        else ("the id is expected in red, but green and blue differ with it: ")
    )
    return set_problem(
        survey,
        "colour_coded",
        f"{len(coloured):,} of {len(usable):,} labels of {survey.name} are in colour, and id map "
        f"'{id_map.name}' maps ids; {first}the colours stand for classes ({seen}). Write a TOML "
        f'file with a line for each class under [colours], such as "#804080" = "road".{blends} '
        f"{how_to_map(survey)}.",
    )


def _mixed_depths(survey: Survey, usable: list[Facts]) -> Iterator[Problem]:
    """Find grey labels of different bits: of few bits, a value may be stretched or not."""
    depths = Counter(f.label_bits for f in usable if f.label_kind == "grey")
    if len(depths) < 2 or min(depths) == 8:
        return
    listed = ", ".join(f"{n:,} of {bits} bits" for bits, n in sorted(depths.items()))
    few = next(f for f in usable if f.label_kind == "grey" and f.label_bits == min(depths))
    yield set_problem(
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
        yield set_problem(
            survey,
            "permuted_palette" if moved else "mixed_palettes",
            f"The palettes of the labels of {survey.name} {what}: index {index} is {usual} in most "
            f"files and {odd} in {example.label_path}, so an index does not mean the same in all "
            f"of them. {advice}",
        )
    elif _hides_ids(survey, colours):
        pairs = ", ".join(f"{i} is {int(c[1:3], 16)}" for i, c in _sole(colours)[:_NUM_LISTED])
        yield set_problem(
            survey,
            "permuted_palette",
            f"The palettes of the labels of {survey.name} are greys that are ids themselves, and "
            f"not those of their indices (index {pairs}): a program that stored grey files with a "
            f"palette has renumbered them. {advice}",
        )
    else:
        yield from _beside_grey(survey, usable, advice)


def _beside_grey(survey: Survey, usable: list[Facts], advice: str) -> Iterator[Problem]:
    """Find palettes in colour beside grey labels, which cannot tell whether they agree."""
    grey = [f for f in usable if f.label_kind == "grey"]
    coloured = [f for f in usable if any(c[1:3] * 3 != c[1:] for c in f.palette.values())]
    if min(len(grey), len(coloured)) < LEAST_MASKS:
        return
    message = (
        f"{len(coloured):,} labels of {survey.name} have a palette, and {len(grey):,} are grey. A "
        "program that reorders palettes renumbers the classes, and grey files cannot tell: look "
        f"whether an id means the same in {coloured[0].label_path} and {grey[0].label_path}. If "
        f"not: {advice[0].lower()}{advice[1:]}"
    )
    yield Problem(None, "mixed_palettes", message, str(survey.source.root), "warning")


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
    if 255 in source.id_map.ids or any(f.palette for f in usable) or not _are_masks(source, usable):
        return None
    if (source.root / records.SUBSET_RECORD).exists():
        return None  # 255 is what was not selected
    share = seen[255] / seen.total()
    other = source.classes.names[-1]
    what = "class" if len(source.classes) == 2 else "a class, such as"
    is_some = 1 in seen
    some = " in some files, 0 and 1 in others" if is_some else ""
    also = f'1 = "{other}", ' if is_some else ""
    return set_problem(
        survey,
        "binary_255",
        f"The labels of {survey.name} hold 0 and 255 only{some}, and 255 ({share:.1%} of the "
        f"pixels) is ignored, so one class is left. If 255 is {what} '{other}', write a TOML file "
        f'with the lines [ids], 0 = "{source.classes.names[0]}", {also}255 = "{other}". '
        f"{how_to_map(survey)}.",
    )


def _are_masks(source: DataSource, usable: list[Facts]) -> bool:
    """Tell whether labels of 0 and 255 are masks: all are, or some, and 1 is beside 255 in none."""
    kinds = Counter(frozenset(f.ids) for f in usable)
    if kinds.keys() <= {frozenset({0}), frozenset({255}), frozenset({0, 255})}:
        return any(255 in ids for ids in kinds) and any(0 in ids for ids in kinds)
    few = kinds[frozenset({0, 255})], kinds[frozenset({0, 1})]
    is_mixed = min(few) >= LEAST_MASKS and not any({1, 255} <= ids for ids in kinds)
    return is_mixed and len(source.classes) == 2 and kinds.keys() <= BINARY
