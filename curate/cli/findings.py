"""What `curate check` prints for a person, in 80 columns."""

from __future__ import annotations

import os
import textwrap
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from curate.checking import file_faults, problems
from curate.cli import results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from curate.checking.coverage import Coverage
    from curate.checking.facts import Survey
    from curate.checkup import CheckResult

WIDTH: Final = 80
_NAME_WIDTH: Final = 30
_MAX_UNMAPPED: Final = 8
"""Ids without a class that the table has a row for."""


def describe(result: CheckResult) -> list[str]:
    """Write the whole report: the sets, what they show, what is wrong, what comes next."""
    lines = [*_sets(result.surveys), "", *_classes(result), ""]
    kinds = problems.group(result.problems)
    for kind in kinds:
        lines += [*_kind(kind), ""]
    return lines + list(_end(result, kinds))


def _sets(surveys: Sequence[Survey]) -> Iterator[str]:
    """Write a table of the data sets."""
    rows = [("data set", "used as", "layout", "id map", "images", "usable", "size")]
    for each in surveys:
        source = each.source
        usable = sum(not file_faults.is_left_out(each, facts) for facts in each.facts)
        rows.append(
            (
                shorten(source.root),
                each.side or "-",
                source.layout,
                source.id_map.name,
                f"{len(each.facts):,}",
                f"{usable:,}",
                _size_of(each),
            )
        )
    yield from _table(rows, right=(4, 5))


def _size_of(survey: Survey) -> str:
    """Write the size that most images have."""
    shapes = Counter((f.height, f.width) for f in survey.readable())
    if not shapes:
        return "-"
    (height, width), _ = shapes.most_common(1)[0]
    return f"{height}x{width}" + (" .." if len(shapes) > 1 else "")


def _classes(result: CheckResult) -> Iterator[str]:
    """Write a table of the share of pixels that each class has on each side."""
    if not result.surveys:
        return
    sides = result.coverages
    names = result.surveys[0].source.classes.names
    rows = [("share of pixels", *(side.title for side in sides))]
    for index, name in enumerate(names):
        if len(names) < 200 or any(side.shares[index] for side in sides):
            label = name if name == str(index) else f"{index} {name}"
            rows.append((label, *(_share(side.shares[index]) for side in sides)))
    rows += [(f"{raw} (no class)", *each) for raw, each in _unmapped(sides)]
    rows.append(("ignored", *(_share(side.ignored) for side in sides)))
    yield from _table(rows, right=range(1, len(sides) + 1))


def _unmapped(sides: Sequence[Coverage]) -> list[tuple[str, list[str]]]:
    """List the most frequent ids without a class, with their share on each side."""
    seen: defaultdict[str, float] = defaultdict(float)
    for side in sides:
        for raw, share in side.unmapped.items():
            seen[raw] += share
    return [
        (raw, [_share(side.unmapped.get(raw, 0.0)) for side in sides])
        for raw in sorted(seen, key=lambda raw: -seen[raw])[:_MAX_UNMAPPED]
    ]


def _share(share: float) -> str:
    """Write a share: ``12.3 %``, ``< 0.1 %``, or a dash for nothing."""
    if share == 0:
        return "-"
    return f"{100 * share:.1f} %" if share >= 0.0005 else "< 0.1 %"


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
    kinds_of = Counter(kind[0].severity for kind in kinds)
    found = ", ".join(
        f"{results.count(kinds_of[severity], 'kind')} of {severity}s"
        for severity in ("error", "warning")
        if kinds_of[severity]
    )
    yield (
        f"{result.ok:,} of {results.count(result.images, 'image')} can be used; "
        f"{found or 'nothing is wrong'}."
    )
    if result.minutes:
        yield (
            f"Roughly {_minutes(result.minutes['fit'])} for fit and "
            f"{_minutes(result.minutes['score'])} for score on this machine."
        )
    if result.fix_list is not None:
        names = results.count(result.num_left_out, "file")
        yield f"List of what to leave out: {result.fix_list} ({names})"
    yield from _wrap(f"Next: {_next(result)}", indent="")


def _next(result: CheckResult) -> str:
    """Say what to type next."""
    if problems.refusals(result.problems):
        return "mend what the errors name, then curate check again."
    if result.fix_list is not None:
        return f"curate fit --fix-list {result.fix_list}"
    if any(p.code in problems.LEFT_OUT for p in result.problems):
        return "curate check --fix-list fixes.toml lists what is better left out; fit takes it."
    return "curate fit"


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
            WIDTH,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def _table(rows: Sequence[Sequence[str]], right: Sequence[int] | range) -> Iterator[str]:
    """Align columns; the first one is cut in its middle where it is too long."""
    cut = [[_cut(row[0]), *row[1:]] for row in rows]
    widths = [max(len(row[column]) for row in cut) for column in range(len(rows[0]))]
    for row in cut:
        cells = [
            text.rjust(width) if column in right else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _cut(text: str) -> str:
    """Keep the end of what is too long, which tells data sets apart."""
    return text if len(text) <= _NAME_WIDTH else f"..{text[-(_NAME_WIDTH - 2) :]}"
