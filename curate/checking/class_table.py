"""What labels show as a table of text: id, class, and the share of pixels on each side."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from curate.checking import coverage, facts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

WIDTH: Final = 80
_LEAST_WIDTH: Final = 12
_IDS_WIDTH: Final = 8
_MAX_UNMAPPED: Final = 8
"""Ids without a class that the table has a row for."""
_MANY: Final = 100
"""Classes of which only those that occur have a row."""


def class_table(
    sides: Sequence[coverage.Coverage], surveys: Sequence[facts.Survey]
) -> Iterator[str]:
    """Yield the lines of a table: what each class has of each side, and by which ids."""
    if not surveys:
        return
    names = surveys[0].source.classes.names
    sets = [[s for s in surveys if (s.side or s.source.root.name) == side.title] for side in sides]
    rows = [["class", *(cell for side in sides for cell in (side.title, "ids"))]]
    for index, name in enumerate(names):
        if len(names) < _MANY or any(side.shares[index] for side in sides):
            cells = [
                cell
                for side, own in zip(sides, sets, strict=True)
                for cell in (_share(side.shares[index]), _ids_of(index, own))
            ]
            rows.append([name, *cells])
    for raw, shares in _unmapped(sides):
        rows.append(
            ["(no class)", *(cell for s in shares for cell in (s, raw if s != "-" else ""))]
        )
    rows.append(["ignored", *(cell for side in sides for cell in (_share(side.ignored), ""))])
    yield from align(rows, right=range(1, 2 * len(sides), 2))


def assumed_table(surveys: Sequence[facts.Survey]) -> str:
    """Write what is shown by sets whose ids are taken for class indices, and how to say better.

    Empty where every set has an id map.
    """
    assumed = [str(s.source.root) for s in surveys if s.source.is_map_assumed]
    if not assumed:
        return ""
    sides = [
        coverage.measure_coverage(side, own)
        for side in ("real", "synthetic")
        if (own := [s for s in surveys if s.side == side])
    ]
    head = (
        f'Ids are read as class indices in {", ".join(assumed)} (id_map = ".." under the set\'s '
        "table in curate.toml says otherwise). Share of pixels:"
    )
    return "\n".join([head, *(f"  {line}" for line in class_table(sides, surveys))])


def align(rows: Sequence[Sequence[str]], right: Collection[int]) -> Iterator[str]:
    """Align columns within 80; a first cell that is too long loses its beginning."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    widths[0] = max(_LEAST_WIDTH, min(widths[0], WIDTH - sum(widths[1:]) - 2 * len(widths[1:])))
    for row in rows:
        first = row[0] if len(row[0]) <= widths[0] else f"..{row[0][2 - widths[0] :]}"
        cells = [
            text.rjust(width) if column in right else text.ljust(width)
            for column, (text, width) in enumerate(zip([first, *row[1:]], widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _ids_of(index: int, surveys: Sequence[facts.Survey]) -> str:
    """Write the ids that stand for a class in any of the sets, if they are few."""
    ids = {raw for s in surveys for raw, mapped in s.source.id_map.ids.items() if mapped == index}
    listed = ", ".join(map(str, sorted(ids)))
    return listed if len(listed) <= _IDS_WIDTH else f"{min(ids)} .."


def _unmapped(sides: Sequence[coverage.Coverage]) -> list[tuple[str, list[str]]]:
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
