"""What the page shows, gathered from score files and images."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from curate import errors, texts
from curate.checking import likeness, survey
from curate.selection import candidates
from curate.showing import crops, histograms, image_table, inks, kept, sheet, trust

if TYPE_CHECKING:
    from pathlib import Path

    from curate import reporting
    from curate.showing.scored_sets import ScoredSets

MAX_THUMBNAILS: Final = 1250
"""Of more images, only those that are shown elsewhere have a picture in the table."""
THUMBNAIL_PX: Final = 88
THUMBNAIL_CHARACTERS: Final = 6_000_000
"""Of all small pictures together; what comes after that has none."""
NUM_GROUPS: Final = 24
NUM_IN_GROUP: Final = 5
HEADINGS: Final = {
    "lowest": ("Lowest", "The lowest scores"),
    "random": ("At random", "Images at random, lowest first"),
    "highest": ("Highest", "The highest scores"),
}


def gather(sets: ScoredSets, project: Path, reporter: reporting.Reporter) -> dict[str, Any]:
    """Gather everything that the page shows."""
    has_files = any(own.root.is_dir() for own in sets.sources)
    groups = find_groups(sets, project=project, reporter=reporter) if has_files else None
    counted = histograms.count_cells(sets, reporter)
    ranks = sheet.Ranks(sets, histograms.find_span(counted))
    chosen = ranks.choose()
    rows = _draw_rows(ranks, [row for kind in chosen.values() for row in kind], reporter)
    shown_groups = (groups or [])[:NUM_GROUPS]
    wanted = [row for group in shown_groups for row in group[:NUM_IN_GROUP]]
    if sets.num_images <= MAX_THUMBNAILS:
        wanted = sets.is_ok.nonzero()[0].tolist()
    thumbs = _draw_thumbnails(sets, wanted, reporter) if has_files else {}
    ids = [texts.printable(text) for text in sets.texts("id")]
    return {
        "names": sets.names,
        "sets": _describe_sets(sets),
        "classes": sets.classes,
        "colours": [f"rgb({r}, {g}, {b})" for r, g, b in inks.class_colours(sets.classes)],
        "num_scored": int(sets.is_ok.sum()),
        "counted": counted.images if counted else int(sets.is_ok.sum()),
        "trust": trust.judge(sets, project=project),
        "sheet": [
            dict(zip(("kind", "title", "heading"), (kind, *HEADINGS[kind]), strict=True))
            | {"rows": [_describe_row(ranks, rows[row], ids) for row in own]}
            for kind, own in chosen.items()
            if own
        ],
        "ids": ids,
        "crops": _cut_crops(sets, reporter),
        "span": ranks.span,
        "min_px": crops.MIN_PX,
        "by_region": not sets.sources[0].scores.has_stream_maps,
        "charts": histograms.draw_levels(sets, counted),
        "class_charts": histograms.draw_classes(sets, counted),
        "groups": None
        if groups is None
        else [_describe_group(ranks, g, ids, thumbs) for g in shown_groups],
        "num_groups": len(groups or []),
        "num_repeats": sum(map(len, groups or [])),
        "version": version("curate-seg"),
        "made": time.strftime("%d %B %Y", time.localtime()),
        "data": image_table.tabulate_images(sets, groups or [])
        | {
            "setNames": [texts.printable(name) for name in sets.names],
            "classNames": [texts.printable(name) for name in sets.classes],
            "thumbs": thumbs,
            "cuts": [table.to_json() for table in kept.tabulate_kept(sets, counted)],
            "rankBy": sets.sources[0].scores.provenance.get("rank_by", "score"),
        },
    }


def find_groups(
    sets: ScoredSets, *, project: Path, reporter: reporting.Reporter
) -> list[list[int]]:
    """Find near-duplicates among the scored images of each set.

    What earlier commands saw of the images is kept in the project's folder and not looked at
    again; so is what this one sees, should it be interrupted.

    Parameters
    ----------
    project : Path
        Folder of curate.toml.

    Returns
    -------
    groups : list of list of int
        Rows, the largest group first; none of a set whose folder is gone.
    """
    groups = []
    for own, first in zip(sets.sources, sets.firsts.tolist(), strict=False):
        if own.root.is_dir():
            looked = candidates.look_at_scored(own, project, reporter)
            row_of = {path: row for row, path in enumerate(own.texts("image_path").to_pylist())}
            alike = likeness.group_repeats(looked)
            groups += [[first + row_of[path] for path in paths] for paths in alike]
    return sorted(groups, key=lambda rows: (-len(rows), rows))


def _describe_sets(sets: ScoredSets) -> list[dict[str, str]]:
    """Say which sets there are."""
    return [
        {
            "name": name,
            "root": str(own.root),
            "file": str(own.scores.path),
            "images": f"{own.num_images:,}",
        }
        for own, name in zip(sets.sources, sets.names, strict=True)
    ]


def _describe_row(ranks: sheet.Ranks, drawn: sheet.SheetRow, ids: list[str]) -> dict[str, Any]:
    """Put what is said of an image beside its pictures."""
    sets, row, total = ranks.sets, drawn.row, len(ranks.order)
    end, place = min(
        ("lowest", drawn.place), ("highest", total + 1 - drawn.place), key=lambda e: e[1]
    )
    return asdict(drawn) | {
        "id": ids[row],
        "set": sets.names[int(sets.set_of[row])],
        "score": float(ranks.scores[row]),
        "weight": float(sets.column("weight")[row]),
        "rank": f"{_ordinal(place)}{end} of {total:,}",
        "pull": ranks.pull(row),
    }


def _ordinal(place: int) -> str:
    """Write a place in front of what is lowest or highest: nothing, ``2nd ``, ``113th ``."""
    if place == 1:
        return ""
    teen = place % 100 // 10 == 1
    return f"{place:,}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(place % 10, 'th')} "


def _describe_group(
    ranks: sheet.Ranks, group: list[int], ids: list[str], thumbs: dict[int, str]
) -> dict[str, Any]:
    """Put what is said of near-duplicates beside their pictures."""
    scores = ranks.scores[group]
    shown = [
        {"id": ids[row], "score": float(ranks.scores[row]), "thumb": thumbs.get(row, "")}
        for row in group[:NUM_IN_GROUP]
    ]
    return {"count": len(group), "low": scores.min(), "high": scores.max(), "shown": shown}


def _draw_rows(
    ranks: sheet.Ranks, rows: list[int], reporter: reporting.Reporter
) -> dict[int, sheet.SheetRow]:
    """Draw the rows of the sheet."""
    reporter.start("draw the sheet", len(rows))
    drawn = {}
    for done, row in enumerate(rows, start=1):
        drawn[row] = sheet.draw_row(ranks, row)
        reporter.advance(done)
    reporter.finish()
    return drawn


def _draw_thumbnails(
    sets: ScoredSets, rows: list[int], reporter: reporting.Reporter
) -> dict[int, str]:
    """Draw small pictures; an image that cannot be read has none."""

    def draw(row: int) -> str:
        try:
            pixels = sets.read_small(row, THUMBNAIL_PX)
        except errors.DataError:
            return ""
        return inks.jpeg(inks.shrink(pixels, THUMBNAIL_PX), quality=66)

    reporter.start("draw thumbnails", len(rows))
    found, size = dict[int, str](), 0
    pool = ThreadPoolExecutor(survey.num_threads())
    try:
        for row, picture in zip(rows, pool.map(draw, rows), strict=True):
            size += len(picture)
            found[row] = picture if size <= THUMBNAIL_CHARACTERS else ""
            reporter.advance(len(found))
    finally:
        pool.shutdown(cancel_futures=True)
    reporter.finish()
    return {row: picture for row, picture in found.items() if picture}


def _cut_crops(sets: ScoredSets, reporter: reporting.Reporter) -> list[crops.ClassCrops]:
    """Cut regions of each class out of their images."""
    chosen = crops.choose_crops(sets)
    total = len({crop.row for each in chosen for crop in (*each.lowest, *each.highest)})
    reporter.start("cut regions out", total)
    pictures: crops.Pictures = {}
    for done, cut in enumerate(crops.cut_out(sets, chosen), start=1):
        pictures |= cut
        reporter.advance(done)
    reporter.finish()
    return crops.fill(chosen, pictures)
