"""Several origins with scores of one data set, seen as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.records import OK
from curate.scores.columns import Columns, concatenate, num_rows, take

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from curate.scores.schema import Schema
    from curate.scores.sources import Origin

_BLOCK_ROWS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Merged:
    """Where everything about each image is; rows are sorted by image id.

    Attributes
    ----------
    schema : Schema
    images : Columns
    origins : tuple of Origin
    origin_of, row_in : (N,) int64
        Number of the origin of each image, and its row in there.
    region_start, region_count : (N,) int64
        Rows of its regions in that origin.
    """

    schema: Schema
    images: Columns
    origins: tuple[Origin, ...]
    origin_of: NDArray[np.int64]
    row_in: NDArray[np.int64]
    region_start: NDArray[np.int64]
    region_count: NDArray[np.int64]


def merge(origins: Sequence[Origin], schema: Schema, *, num_classes: int) -> Merged:
    """Find the newest finished scores of each image; scores never yield to a failure.

    All origins have the same schema.
    """
    loaded = [origin.load() for origin in origins]
    tables = [images for images, _ in loaded]
    counts = [count for _, count in loaded]
    starts = [np.cumsum(count) - count for count in counts]
    lengths = np.array([num_rows(table) for table in tables], np.int64)
    images = concatenate(tables, schema.images, num_classes=num_classes)
    rows = _newest_rows(images)
    return Merged(
        schema=schema,
        images=take(images, rows),
        origins=tuple(origins),
        origin_of=np.repeat(np.arange(len(tables)), lengths)[rows],
        row_in=_join([np.arange(length) for length in lengths])[rows],
        region_start=_join(starts)[rows],
        region_count=_join(counts)[rows],
    )


def region_blocks(merged: Merged, rows: range) -> Iterator[Columns]:
    """Yield the regions of some images as tables of a bounded size; images count from 0."""
    pending: list[Columns] = []
    for first, last in _spans(merged, rows):
        count = merged.region_count[first : last + 1]
        origin = merged.origins[merged.origin_of[first]]
        block = origin.regions(int(merged.region_start[first]), int(count.sum()))
        block["image"] = np.repeat(np.arange(first, last + 1) - rows.start, count)
        pending.append(block)
        if sum(map(num_rows, pending)) >= _BLOCK_ROWS:
            yield concatenate(pending, merged.schema.regions)
            pending = []
    if pending:
        yield concatenate(pending, merged.schema.regions)


def _newest_rows(images: Columns) -> NDArray[np.int64]:
    """Choose one row an id: the last that is ok, else the last; sorted by id."""
    chosen: dict[str, int] = {}
    status = images["status"]
    for row, image_id in enumerate(images["id"]):
        before = chosen.get(image_id)
        if before is None or status[row] == OK or status[before] != OK:
            chosen[image_id] = row
    return np.array([chosen[image_id] for image_id in sorted(chosen)], np.int64)


def _join(arrays: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Put arrays one after the other; there may be none."""
    return np.concatenate([np.empty(0, np.int64), *arrays])


def _spans(merged: Merged, rows: range) -> Iterator[tuple[int, int]]:
    """Group neighbouring images whose regions stand one after the other in the same origin."""
    with_regions = [row for row in rows if merged.region_count[row]]
    if not with_regions:
        return
    first = last = with_regions[0]
    size = int(merged.region_count[first])
    for row in with_regions[1:]:
        follows = (
            row == last + 1
            and merged.origin_of[row] == merged.origin_of[last]
            and merged.region_start[row] == merged.region_start[last] + merged.region_count[last]
        )
        size += int(merged.region_count[row])
        if not follows or size > _BLOCK_ROWS:
            yield first, last
            first, size = row, int(merged.region_count[row])
        last = row
    yield first, last
