"""What may be chosen, and in which order: near-duplicates out, drawn at random, or diverse."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.checking import likeness, survey
from curate.checking.facts import Survey
from curate.selection import cuts, diversity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate import reporting
    from curate.selection.settings import ExportSettings
    from curate.selection.source import SubsetSource

POOL: Final = 2
"""Diverse images are chosen among so many times as many of the best."""


def prepare_candidates(
    sources: Sequence[SubsetSource],
    settings: ExportSettings,
    project: Path,
    reporter: reporting.Reporter,
) -> list[SubsetSource]:
    """Leave out and order images as the settings say.

    Parameters
    ----------
    project : Path
        Folder of curate.toml, where what was seen of images is kept.
    """
    found = list(sources)
    if settings.drop_near_duplicates:
        found = drop_near_duplicates(found, project, reporter)
    if settings.draw:
        found = [replace(source, draw_seed=settings.seed) for source in found]
    if not settings.diverse:
        return found
    if settings.per_set:
        return [each for one in found for each in _order([one], settings, reporter)]
    return _order(found, settings, reporter)


def drop_near_duplicates(
    sources: Sequence[SubsetSource], project: Path, reporter: reporting.Reporter
) -> list[SubsetSource]:
    """Leave out every image that is like a better one, in whatever data set that is."""
    surveys = [look_at_scored(source, project, reporter) for source in sources]
    rows = [np.flatnonzero(source.is_ok) for source in sources]
    number_of = {
        (number, facts.image_path): (number, int(row))
        for number, seen in enumerate(surveys)
        for row, facts in zip(rows[number], seen.facts, strict=True)
    }
    hashed = likeness.gather_hashed(surveys)
    places = [number_of[surveys.index(seen), facts.image_path] for seen, facts in hashed.rows]
    like = defaultdict(set)
    for one, other in likeness.like_pairs(hashed):
        like[one].add(other)
        like[other].add(one)
    scores = np.array([sources[number].image_scores[row] for number, row in places])
    kept: set[int] = set()
    left_out: list[dict[int, str]] = [{} for _ in sources]
    for index in cuts.order_of(scores).tolist():
        better = min(like[index] & kept, default=None)
        if better is None:
            kept.add(index)
            continue
        number, row = places[better]
        name = f"{sources[number].prefix}{sources[number].id_of(row)}"
        own_number, own_row = places[index]
        left_out[own_number][own_row] = f"near-duplicate of {name}"
    count = sum(map(len, left_out))
    reporter.note(f"{count:,} of {sum(map(len, rows)):,} images are near-duplicates, left out.")
    return [replace(source, left_out=own) for source, own in zip(sources, left_out, strict=True)]


def look_at_scored(source: SubsetSource, project: Path, reporter: reporting.Reporter) -> Survey:
    """Look at the scored images of a data set, as far as that was not done before."""
    seen = [
        survey.survey(  # rows are named, so that what is known of other files is kept
            listed, project=project, reporter=reporter, is_deep=True, rows=range(len(listed.pairs))
        )
        for listed in source.list_scored()
    ]
    return Survey(seen[0].source, tuple(facts for each in seen for facts in each.facts))


def _order(
    sources: Sequence[SubsetSource], settings: ExportSettings, reporter: reporting.Reporter
) -> list[SubsetSource]:
    """Put the images first that differ most from each other, of the best of all data sets."""
    keys = np.concatenate([source.image_keys for source in sources])
    px = np.concatenate([source.valid_px for source in sources])
    num_kept = int(cuts.select(keys, settings.cut, px).sum())
    order = cuts.order_of(keys)
    pool = order[: POOL * num_kept]
    ends = np.cumsum([source.num_images for source in sources])
    numbers = np.searchsorted(ends, pool, side="right")
    files = [
        (sources[number], int(row - (ends[number] - sources[number].num_images)))
        for number, row in zip(numbers.tolist(), pool.tolist(), strict=True)
    ]
    features = diversity.encode_images(files, reporter)
    chosen = diversity.spread_out(features, num_kept)
    rest = np.setdiff1d(np.arange(len(pool)), chosen)
    ranked = np.concatenate([pool[chosen], pool[rest], order[len(pool) :]])
    new_keys = np.full(len(keys), np.nan)
    new_keys[ranked] = -np.arange(len(ranked), dtype=np.float64)
    return [
        replace(source, image_order=own)
        for source, own in zip(sources, np.split(new_keys, ends[:-1]), strict=True)
    ]
