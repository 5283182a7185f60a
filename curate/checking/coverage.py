"""Which classes each side shows, and how much of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.checking import meaning, versions
from curate.checking.problems import Problem, make_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from curate.checking.facts import Survey

_NUM_LISTED: Final = 12


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shares of the pixels of some sets together.

    Attributes
    ----------
    title : str
        ``real``, ``synthetic``, ``test``, or the name of a set.
    shares : (C,) float64
        Of all pixels of readable labels, what each class has.
    ignored : float
    unmapped : dict of str to float
        Of each id or colour that the id map does not know, the most frequent first.
    """

    title: str
    shares: NDArray[np.float64]
    ignored: float
    unmapped: dict[str, float]


def measure_coverage(title: str, surveys: Sequence[Survey]) -> Coverage:
    """Add up what the labels of some sets show."""
    class_px = np.zeros(len(surveys[0].source.classes))
    ignored = 0
    unmapped: Counter[str] = Counter()
    for survey in surveys:
        for facts in survey.readable():
            found = meaning.interpret(facts, survey.source.id_map)
            for index, count in found.class_px.items():
                class_px[index] += count
            ignored += found.ignored_px
            unmapped.update({str(raw): count for raw, count in found.unmapped.items()})
            if found.code == meaning.CODED:
                unmapped["colours"] += facts.num_pixels
    total = max(1.0, class_px.sum() + ignored + unmapped.total())
    shares = {raw: count / total for raw, count in unmapped.most_common()}
    return Coverage(title, class_px / total, ignored / total, shares)


def find_one_sided(real: Sequence[Survey], synthetic: Sequence[Survey]) -> Iterator[Problem]:
    """Yield the classes that one side never shows, or that no class is shared."""
    measured = [measure_coverage("", surveys).shares for surveys in (real, synthetic)]
    sides = [shares > 0 for shares in measured]
    if not (sides[0].any() and sides[1].any()):
        return
    classes = real[0].source.classes
    names = np.array(classes.names)
    hint = "".join(versions.suggest_version(measured[0].tolist(), each) for each in synthetic)
    if not (sides[0] & sides[1]).any():
        message = (
            f"The synthetic labels share no class with the real ones: they show "
            f"{_list(names[sides[1]])}; the real ones show {_list(names[sides[0]])}. Check both "
            "id maps (id_map = .. in curate.toml)." + hint
        )
        yield make_problem("no_shared_class", message)
        return
    for side, other, own in (("real", "synthetic", 0), ("synthetic", "real", 1)):
        alone = sides[own] & ~sides[1 - own]
        if alone.any():
            message = f"Only {side} images show {_list(names[alone])}; no {other} image does."
            if side == "real" and _starts_at_one(synthetic):
                message += (
                    " The synthetic ids begin with 1: if they are counted from 1, give the set an "
                    "id map (id_map = ..)."
                )
            yield make_problem(f"class_only_{side}", message + hint)


def _starts_at_one(surveys: Sequence[Survey]) -> bool:
    """Tell whether sets that are read as class indices show 1 and never 0."""
    seen = _raw_ids(surveys)
    is_bare = all(s.source.is_map_assumed for s in surveys)
    return is_bare and 1 in seen and 0 not in seen


def _raw_ids(surveys: Sequence[Survey]) -> set[int]:
    """Collect the ids that some sets show."""
    return {raw for survey in surveys for raw in meaning.count_raw(survey)}


def _list(names: Sequence[str] | NDArray[np.str_]) -> str:
    """List names, not too many of them."""
    more = f" and {len(names) - _NUM_LISTED} more" if len(names) > _NUM_LISTED else ""
    return ", ".join(names[:_NUM_LISTED]) + more
