"""Look at every image of a data set, several at a time; what is known already is not read again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from curate.checking import examination, facts, looking_on_ray, memory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate import reporting
    from curate.cluster.ray_cluster import Cluster
    from curate.data.dataset import DataSource

MAX_THREADS: Final = 16
_KEPT_AT_ONCE: Final = 32
"""Pairs that are looked at between two writes of what was seen."""


def survey(
    source: DataSource,
    *,
    project: Path,
    reporter: reporting.Reporter,
    side: facts.Side = "",
    is_deep: bool = False,
    rows: Sequence[int] | None = None,
    cluster: Cluster | None = None,
) -> facts.Survey:
    """Look at a data set.

    Interrupted at any moment, it goes on from there when it is called again.

    Parameters
    ----------
    project : Path
        Folder of curate.toml, where what was seen is kept.
    is_deep : bool
        Whether to decode the images, too: what duplicates and blank images are found by.
    rows : sequence of int, optional
        Which pairs to look at, all by default; the others are left out of the survey.
    cluster : Cluster, optional
        Whose nodes look, which share the folder of the data set.
    """
    pairs = source.pairs if rows is None else tuple(source.pairs[row] for row in rows)
    known_files = memory.Memory(project, source.root)
    found: dict[int, facts.Facts] = {}
    for row, pair in enumerate(pairs):
        stamp = examination.stamp_of(source, pair)
        known = known_files.recall(pair.image_path, pair.label_path, stamp, is_deep=is_deep)
        if known is not None:
            found[row] = known
    todo = [row for row in range(len(pairs)) if row not in found]
    if todo:
        reporter.start(f"look at {source.root.name}", len(pairs), len(found))
        fresh: list[facts.Facts] = []
        some = {row: pairs[row] for row in todo}
        if cluster is None:
            looks = examination.examine_all(source, some, is_deep=is_deep, threads=num_threads())
        else:
            looks = looking_on_ray.examine_all(source, some, cluster, is_deep=is_deep)
        try:
            for row, seen in looks:
                found[row] = seen
                fresh.append(seen)
                if len(fresh) == _KEPT_AT_ONCE:
                    known_files.keep(fresh)
                    fresh.clear()
                reporter.advance(len(found))
        finally:
            known_files.keep(fresh)
            reporter.finish()
    ordered = tuple(found[row] for row in range(len(pairs)))
    if todo and rows is None:
        known_files.tidy(ordered)
    return facts.Survey(source, ordered, side)


def num_threads() -> int:
    """Count the threads that look: one a core, as decoders let others run."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores or 1, MAX_THREADS)
