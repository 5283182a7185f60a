"""Look at the pairs of a data set on a Ray cluster, whose nodes share its folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from curate import errors
from curate.checking import examination
from curate.cluster import ray_cluster, ray_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from curate import records
    from curate.checking.facts import Facts
    from curate.data.dataset import DataSource

PART_PAIRS: Final = 128
"""Pairs of a part: seconds of work, so that little is lost with a node."""


@dataclass(frozen=True, slots=True)
class _Looker:
    """A worker on a cluster: looks at parts by number.

    Attributes
    ----------
    source : DataSource
        Without its pairs, its folder absolute: nodes work in folders of their own.
    parts : list of dict of int to Pair
    is_deep : bool
    threads : int
    """

    source: DataSource
    parts: list[dict[int, records.Pair]]
    is_deep: bool
    threads: int

    def __call__(self) -> ray_pool.Work:
        """Prepare nothing."""
        return self._look

    def _look(self, number: int, tell: Callable[[int], None]) -> dict[int, Facts]:
        """Look at a part."""
        look = partial(examination.examine_all, is_deep=self.is_deep, threads=self.threads)
        found: dict[int, Facts] = {}
        for row, facts in look(self.source, self.parts[number]):
            found[row] = facts
            tell(len(found))
        return found


def examine_all(
    source: DataSource,
    pairs: Mapping[int, records.Pair],
    cluster: ray_cluster.Cluster,
    *,
    is_deep: bool,
) -> Iterator[tuple[int, Facts]]:
    """Look at pairs by number, as `examination.examine_all` does; a part follows another's end.

    Raises
    ------
    RunError
        If parts could not be looked at, when all others are; or there is no cluster.
    UsageError
        If Ray is not installed.
    """
    rows, root, failures = list(pairs), source.root.absolute(), dict[int, str]()
    starts = range(0, len(rows), PART_PAIRS)
    parts = [{row: pairs[row] for row in rows[first : first + PART_PAIRS]} for first in starts]
    own = replace(source, root=root, pairs=())
    looker = _Looker(own, parts, is_deep, max(1, int(cluster.cpus)))
    for number, found, problem in ray_pool.each_part(range(len(parts)), looker, cluster, _ignore):
        if problem:
            failures[number] = problem
        for row, facts in () if problem else found.items():
            named = facts.message.replace(str(root), str(source.root))
            yield row, replace(facts, message=named)
    if failures:
        number, reason = min(failures.items())
        first = next(iter(parts[number].values())).image_path
        msg = (
            f"{len(failures):,} of {len(parts):,} parts of {source.root} could not be looked at, "
            f"what was seen of the others is kept. From {first} on: {reason} Mend it, and check "
            "again."
        )
        raise errors.RunError(msg)


def _ignore(_done: int, _rates: dict[str, float]) -> None:
    """Leave the progress to whoever takes what was seen."""
