"""What is wrong with single files, and with a set because too many of its files are unfit."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from curate import records
from curate.checking import meaning
from curate.checking.problems import FILE_ERRORS, Problem, make_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.checking.facts import Facts, Survey

MAX_UNFIT: Final = 0.5
"""Share of a set's images that may be unfit."""
MIN_SPREAD: Final = 1.5
"""Standard deviation of grey below which an image shows nothing."""
MAX_ONE_CLASS: Final = 0.1
"""Share of a set's images that may show one class before this is what the set is like."""
MAX_STRETCH: Final = 0.1
"""Logarithm of the ratio of two aspect ratios up to which images are hardly distorted."""


def find_file_faults(survey: Survey) -> Iterator[Problem]:
    """Yield the errors of single files, and whether they are too many."""
    problems = list(_errors(survey))
    unfit = [p for p in problems if p.severity == "error"]
    yield from problems
    num_images = len(survey.facts)
    if len(unfit) > MAX_UNFIT * num_images:
        counts = ", ".join(f"{n:,} {code}" for code, n in Counter(p.code for p in unfit).items())
        empty = sum(p.code == "all_ignored" for p in unfit)
        why = (
            "Where no pixel has a class, the labels are the dummies of a test split, or the id map "
            "is not theirs. "
        )
        message = (
            f"{len(unfit):,} of {num_images:,} images of {survey.name} cannot be used ({counts}); "
            f"at most half may be unfit. {why if empty * 2 > len(unfit) else ''}"
            f"First: {unfit[0].message}"
        )
        yield make_problem("mostly_unfit", message, dataset=survey.source.root)


def find_oddities(survey: Survey) -> Iterator[Problem]:
    """Yield what is unusual about single files that can be used."""
    yield from _blank(survey)
    yield from _one_class(survey)
    yield from _turned(survey)
    yield from _deep(survey)


def find_distortion(
    survey: Survey, size: tuple[int, int], *, others_fit: bool
) -> Iterator[Problem]:
    """Yield a warning if resizing to `size` (height, width) would distort most images.

    Parameters
    ----------
    others_fit : bool
        Whether real images have the aspect ratio of `size`, so that it is this set that differs.
    """
    shapes = Counter((f.height, f.width) for f in survey.readable())
    distorted = Counter({shape: n for shape, n in shapes.items() if _is_stretched(shape, size)})
    if distorted.total() * 2 <= shapes.total():
        return
    (height, width), _ = distorted.most_common(1)[0]
    change = width * size[0] / (height * size[1])
    what = f"narrowed by {1 - 1 / change:.0%}" if change > 1 else f"flattened by {1 - change:.0%}"
    advice = (
        "The real images fit that size; cut these to their aspect ratio if shapes matter."
        if others_fit
        else f"Set size = {list(aspect_true((height, width), size))} under [fit]."
    )
    yield make_problem(
        "aspect_ratio",
        f"{distorted.total():,} of {shapes.total():,} images of {survey.name} have another aspect "
        f"ratio than size = {list(size)} (most are {height}x{width}): what they show is {what}. "
        f"{advice}",
        dataset=survey.source.root,
    )


def fits_size(survey: Survey, size: tuple[int, int]) -> bool:
    """Tell whether most images keep their aspect ratio when they are resized."""
    return not list(find_distortion(survey, size, others_fit=False))


def aspect_true(shape: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Return a size (height, width) of the shape's aspect ratio and about the area of `size`.

    Both sides are multiples of four.

    Examples
    --------
    >>> aspect_true((1080, 1920), (180, 240))
    (156, 276)
    """
    area = size[0] * size[1]
    height = math.sqrt(area * shape[0] / shape[1])
    sides = (height, height * shape[1] / shape[0])
    rounded = (max(32, 4 * round(side / 4)) for side in sides)
    return next(rounded), next(rounded)


def _is_stretched(shape: tuple[int, int], size: tuple[int, int]) -> bool:
    """Tell whether resizing would visibly distort."""
    return abs(math.log(shape[0] * size[1] / (shape[1] * size[0]))) > MAX_STRETCH


def _errors(survey: Survey) -> Iterator[Problem]:
    """Yield errors of files; labels of a split that are all empty are no labels, not errors."""
    root = survey.source.root
    empty: dict[str, list[Facts]] = defaultdict(list)
    num_in: Counter[str] = Counter()
    for facts in survey.facts:
        part = facts.image_path.rpartition("/")[0]
        num_in[part] += 1
        code, message = facts.code, facts.message
        if code == records.OK:
            found = meaning.interpret(facts, survey.source.id_map)
            code = found.code
            if code == "all_ignored":
                empty[part].append(facts)
                continue
            message = _explain(survey, facts, found)
        if code != records.OK:
            yield make_problem(code, message, file=facts.image_path, dataset=root)
    for part, files in empty.items():
        is_whole = len(files) == num_in[part] and len(files) > 1
        if is_whole and len(files) < len(survey.facts):
            yield _dummies(survey, part, files)
            continue
        for facts in files:
            message = f"{root / facts.label_path}: every pixel is ignored. Leave it out."
            yield make_problem("all_ignored", message, file=facts.image_path, dataset=root)


def _explain(survey: Survey, facts: Facts, found: meaning.Meaning) -> str:
    """Say why a label does not fit the id map."""
    path, name = survey.source.root / facts.label_path, survey.source.id_map.name
    if found.code == meaning.CODED:
        return f"{path} is in colour, and id map '{name}' maps ids."
    listed = ", ".join(f"{raw} ({n:,} pixels)" for raw, n in found.unmapped.most_common(5))
    more = " .." if len(found.unmapped) > 5 else ""
    return (
        f"{path} holds ids that id map '{name}' does not know: {listed}{more}. Mend the file, or "
        f"leave it out."
    )


def _dummies(survey: Survey, part: str, files: list[Facts]) -> Problem:
    """Make the warning about a folder without real labels."""
    return make_problem(
        "dummy_labels",
        f"All {len(files):,} labels of {part}/ are empty (every pixel is ignored): published test "
        "sets come with such dummies. These images are left out.",
        dataset=survey.source.root,
    )


def is_left_out(survey: Survey, facts: Facts) -> bool:
    """Tell whether an image cannot be used, dummies included."""
    if not facts.is_readable:
        return True
    return meaning.interpret(facts, survey.source.id_map).code != records.OK


def _blank(survey: Survey) -> Iterator[Problem]:
    """Yield images that show nothing."""
    for facts in survey.readable():
        if 0 <= facts.spread < MIN_SPREAD:
            message = (
                f"{survey.source.root / facts.image_path} shows nothing: all pixels have about one "
                "colour. Leave it out."
            )
            yield _warn(survey, "blank_image", facts, message)


def _one_class(survey: Survey) -> Iterator[Problem]:
    """Yield labels of one class, where these are exceptions; or say that the set has one only."""
    source = survey.source
    alone: list[tuple[Facts, int]] = []
    seen: set[int] = set()
    num_usable = 0
    for facts in survey.readable():
        found = meaning.interpret(facts, source.id_map)
        if found.code == records.OK:
            num_usable += 1
            seen.update(found.class_px)
            if len(found.class_px) == 1:
                alone.append((facts, next(iter(found.class_px))))
    if len(seen) == 1:
        name = source.classes.names[next(iter(seen))]
        message = (
            f"All labels of {survey.name} show one class only ('{name}'). Nothing can be told "
            f"apart by them: check the id map ('{source.id_map.name}'; id_map = \"classes\" takes "
            "ids as indices of the classes)."
        )
        yield make_problem("one_class", message, dataset=source.root)
    elif len(alone) <= max(1, MAX_ONE_CLASS * num_usable):
        for facts, index in alone:
            if len(source.classes) > 2 or index != 0:  # without the thing that is looked for
                message = (
                    f"{source.root / facts.label_path} shows one class only "
                    f"('{source.classes.names[index]}'). Look whether its label is right."
                )
                yield _warn(survey, "one_class", facts, message)


def _turned(survey: Survey) -> Iterator[Problem]:
    """Yield images that are turned or mirrored by their EXIF orientation."""
    for facts in survey.readable():
        if facts.orientation != 1:
            message = (
                f"{survey.source.root / facts.image_path} has EXIF orientation "
                f"{facts.orientation}: it is read as viewers show it, turned. Its label must be "
                "drawn so, too."
            )
            yield _warn(survey, "rotated", facts, message)


def _deep(survey: Survey) -> Iterator[Problem]:
    """Yield one warning about images of more than 8 bits."""
    deep = [f for f in survey.readable() if f.image_bits > 8]
    if deep:
        span = survey.source.value_range
        ends = f"black is {span[0]:g}, white {span[1]:g}" if span else "all that the bits can hold"
        message = (
            f"{len(deep):,} of {len(survey.facts):,} images of {survey.name} have "
            f"{max(f.image_bits for f in deep)} bits and are reduced to 8 by the set's range "
            f"({ends}; first: {deep[0].image_path}). range = .. under its table in curate.toml "
            "sets it."
        )
        yield make_problem("high_bit_depth", message, dataset=survey.source.root)


def _warn(survey: Survey, code: str, facts: Facts, message: str) -> Problem:
    """Make a warning about one file."""
    assert code not in FILE_ERRORS
    return make_problem(code, message, file=facts.image_path, dataset=survey.source.root)
