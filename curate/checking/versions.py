"""Which version of a published id map a synthetic set is labelled in, by what real images show.

Ids that both versions know can be told apart only by the classes that they stand for: CARLA's 1 is
building until 0.9.13 and road since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from curate import errors
from curate.checking import meaning
from curate.checking.problems import Problem, how_to_map, set_problem
from curate.data import idmap_files
from curate.data.id_tables import PUBLISHED_IDS, known_ids, versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curate.checking.facts import Survey
    from curate.data.idmaps import IdMap

SURE: Final = 0.4
"""Share of the real pixels that must be of classes which only the other version shows."""
LIKELY: Final = 0.02
"""Share of the real pixels by which another version is worth a try."""


class Reading(NamedTuple):
    """What ids show when they are read by an id map.

    Attributes
    ----------
    id_map : str
    classes : set of int
        Indices of the classes that are shown.
    covered : float
        Share of the real pixels that are of these classes.
    """

    id_map: str
    classes: set[int]
    covered: float


def find_wrong_versions(shares: Sequence[float], synthetic: Sequence[Survey]) -> Iterator[Problem]:
    """Yield an error for sets that another version of their id map fits far better.

    Parameters
    ----------
    shares : (C,) sequence of float
        Of the real pixels, what each class has.
    """
    for survey in synthetic:
        readings = _compare(shares, survey)
        if readings is None:
            continue
        now, other = readings
        if now.covered < 0.5 and other.covered - now.covered >= SURE:
            yield set_problem(
                survey,
                "wrong_id_map",
                f"By id map '{now.id_map}' the labels of {survey.name} show "
                f"{_list(survey, now.classes)}: classes that have {now.covered:.0%} of the real "
                f"pixels. By '{other.id_map}', which has the same ids, they would show "
                f"{_list(survey, other.classes)}, {other.covered:.0%}. {how_to_map(survey)}.",
            )


def suggest_version(shares: Sequence[float], survey: Survey) -> str:
    """Say that another version of a set's id map fits better; empty if none does."""
    readings = _compare(shares, survey)
    if readings is None:
        return ""
    _, other = readings
    return (
        f" By id map '{other.id_map}' the labels of {survey.name} would show "
        f"{_list(survey, other.classes)}."
    )


def _compare(shares: Sequence[float], survey: Survey) -> tuple[Reading, Reading] | None:
    """Compare the id map in use with the version that fits best; None if it is the one in use."""
    id_map, seen = survey.source.id_map, set(meaning.count_raw(survey))
    if id_map.name not in PUBLISHED_IDS or not seen <= known_ids(id_map.name):
        return None
    now = _read(shares, id_map, seen)
    best = now
    for name in versions(id_map.name):
        if not seen <= known_ids(name):
            continue
        try:
            other = idmap_files.resolve_id_map(name, survey.source.classes)
        except errors.ConfigError:
            continue
        found = _read(shares, other, seen)
        gain = found.covered - best.covered
        is_simpler = gain >= 0 and found.classes < best.classes
        if gain > LIKELY or is_simpler:
            best = found
    return None if best is now else (now, best)


def _read(shares: Sequence[float], id_map: IdMap, seen: set[int]) -> Reading:
    """Tell what ids show by an id map."""
    classes = {id_map.ids[raw] for raw in seen if raw in id_map.ids}
    return Reading(id_map.name, classes, sum(shares[index] for index in classes))


def _list(survey: Survey, classes: set[int]) -> str:
    """Name classes."""
    names = survey.source.classes.names
    return ", ".join(names[index] for index in sorted(classes)) or "none of the classes"
