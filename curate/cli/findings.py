"""What `curate check` prints for a person, in 80 columns."""

from __future__ import annotations

import os
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from curate.checking import class_table, facts, file_faults, problems
from curate.cli import results
from curate.data.classes import UNNAMED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from curate.checkup import CheckResult


_UNNAMED: Final = (
    "No id map and no classes are given, so that each id stands for itself: --id-map names the "
    "map, a curate.toml the classes."
)


def describe(result: CheckResult) -> list[str]:
    """Write the whole report: the sets, what they show, what is wrong, what comes next."""
    lines = []
    if result.surveys:  # else none could be opened, which is told below
        lines += [*_sets(result.surveys), ""]
        lines += [*class_table.class_table(result.coverages, result.surveys), ""]
        if result.surveys[0].source.classes is UNNAMED:
            lines += [*_wrap(_UNNAMED, indent=""), ""]
    kinds = problems.group(result.problems)
    for kind in kinds:
        lines += [*_kind(kind), ""]
    return lines + list(_end(result, kinds))


def summarise(result: CheckResult) -> dict[str, Any]:
    """Pick what `curate init` says of data sets: those of each side, and the estimate."""
    described = result.to_json()
    sides = {
        side: [each for each in described["datasets"] if each["side"] == side]
        for side in ("real", "synthetic")
    }
    return sides | {"minutes": described["minutes"], "problems": described["problems"]}


def _sets(surveys: Sequence[facts.Survey]) -> Iterator[str]:
    """Write a table of the data sets."""
    rows = [("data set", "used as", "layout", "id map", "images", "usable", "size")]
    for each in surveys:
        source = each.source
        usable = sum(not file_faults.is_left_out(each, one) for one in each.facts)
        rows.append(
            (
                shorten(source.root),
                each.side or "-",
                source.layout,
                "none" if source.is_map_assumed else source.id_map.name,
                f"{len(each.facts):,}",
                f"{usable:,}",
                _size_of(each),
            )
        )
    yield from class_table.align(rows, right=(4, 5))


def _size_of(survey: facts.Survey) -> str:
    """Write the size that most images have."""
    shapes = Counter((f.height, f.width) for f in survey.readable())
    if not shapes:
        return "-"
    (height, width), _ = shapes.most_common(1)[0]
    return f"{height}x{width}" + (" .." if len(shapes) > 1 else "")


def _kind(kind: Sequence[problems.Problem]) -> Iterator[str]:
    """Write the problems of one kind: how many, and the first one in full."""
    first = kind[0]
    where = f" in {shorten(first.dataset)}" if first.dataset else ""
    number = f": {results.count(len(kind), 'file')}" if first.file is not None else ""
    yield f"{first.severity}: {first.code}{number}{where}"
    yield from _wrap(
        first.message.replace(f"{first.dataset}/", "") if first.dataset else first.message
    )
    if len(kind) > 1:
        yield f"  .. and {len(kind) - 1:,} more"


def _end(result: CheckResult, kinds: Sequence[Sequence[problems.Problem]]) -> Iterator[str]:
    """Write the sum of it, the cost, and what to do next."""
    kinds_of = Counter(severity for severity, _ in {(k[0].severity, k[0].code) for k in kinds})
    found = ", ".join(
        f"{results.count(number, 'kind')} of {severity}{'s' if number > 1 else ''}"
        for severity in ("error", "warning")
        if (number := kinds_of[severity])
    )
    yield (
        f"{result.ok:,} of {results.count(result.images, 'image')} can be used; "
        f"{found or 'nothing is wrong'}."
    )
    if result.minutes and result.images:
        yield (
            f"Roughly {_minutes(result.minutes['fit'])} for fit and "
            f"{_minutes(result.minutes['score'])} for score on this machine."
        )
    if result.fix_list is not None:
        names = results.count(result.num_left_out, "file")
        yield f"List of what to leave out: {result.fix_list} ({names})"
    yield _next(result)


def _next(result: CheckResult) -> str:
    """Say what to type next."""
    if problems.refusals(result.problems):
        return "Next: mend what the errors name, then curate check again."
    if result.fix_list is not None:
        return results.next_command("fit", "--fix-list", result.fix_list)
    if any(p.code in problems.LEFT_OUT for p in result.problems):
        why = "lists what is better left out"
        return results.next_command("check", "--fix-list", "fixes.toml", why=why)
    if not any(survey.side for survey in result.surveys):
        why = "once a curate.toml names it (curate init writes one)"
        return results.next_command("fit", why=why)
    return results.next_command("fit")


def _minutes(minutes: float) -> str:
    """Write minutes in words."""
    if minutes < 1:
        return "less than a minute"
    return f"{minutes:,.0f} min" if minutes < 120 else f"{minutes / 60:,.1f} h"


def shorten(path: Path | str) -> str:
    """Write a path relative to the working directory where that is shorter."""
    text = str(path)
    try:
        return min(text, os.path.relpath(text), key=len)
    except ValueError:  # another drive
        return text


def _wrap(text: str, indent: str = "  ") -> list[str]:
    """Wrap a message; paths stay whole."""
    return [
        line
        for part in text.splitlines()
        for line in textwrap.wrap(
            part,
            class_table.WIDTH,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]
