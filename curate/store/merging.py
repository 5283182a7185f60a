"""Several HDF5 files with scores of one data set, seen as one."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import h5py
import numpy as np

from curate.records import OK
from curate.store.columns import Columns, concatenate, num_rows, take
from curate.store.hdf5 import find, open_h5, read_column, read_table, reading
from curate.store.loading import load_file_images
from curate.store.schema import IMAGE_COLUMNS, REGION_COLUMNS, REGIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_MAX_OPEN: Final = 16
_BLOCK_ROWS: Final = 1_000_000


class OpenFiles:
    """The HDF5 files that were used last, open for reading."""

    def __init__(self) -> None:
        self._files: OrderedDict[Path, h5py.File] = OrderedDict()

    def __getitem__(self, path: Path) -> h5py.File:
        file = self._files.pop(path, None) or open_h5(path)
        self._files[path] = file
        while len(self._files) > _MAX_OPEN:
            self._files.popitem(last=False)[1].close()
        return file

    def close(self) -> None:
        """Close them all."""
        while self._files:
            self._files.popitem()[1].close()


@dataclass(frozen=True, slots=True)
class Merged:
    """Where everything about each image is; rows are sorted by image id.

    Attributes
    ----------
    images : Columns
    sources : tuple of Path
    source_of : (N,) int64
        Number of the source of each image.
    region_start, region_count : (N,) int64
        Rows of its regions in that source.
    """

    images: Columns
    sources: tuple[Path, ...]
    source_of: NDArray[np.int64]
    region_start: NDArray[np.int64]
    region_count: NDArray[np.int64]


def merge(sources: Sequence[Path], files: OpenFiles, *, num_classes: int) -> Merged:
    """Find the newest finished scores of each image; scores never yield to a failure."""
    tables = [load_file_images(files[path]) for path in sources]
    counts = [
        _count_regions(files[path], num_rows(t)) for path, t in zip(sources, tables, strict=True)
    ]
    starts = [np.cumsum(count) - count for count in counts]
    images = concatenate(tables, IMAGE_COLUMNS, num_classes=num_classes)
    rows = _newest_rows(images)
    lengths = np.array([num_rows(table) for table in tables], np.int64)
    source_of = np.repeat(np.arange(len(tables)), lengths)
    return Merged(
        images=take(images, rows),
        sources=tuple(sources),
        source_of=source_of[rows],
        region_start=np.concatenate([np.empty(0, np.int64), *starts])[rows],
        region_count=np.concatenate([np.empty(0, np.int64), *counts])[rows],
    )


def region_blocks(merged: Merged, rows: range, files: OpenFiles) -> Iterator[Columns]:
    """Yield the regions of some images as tables of a bounded size; images count from 0."""
    pending: list[Columns] = []
    for first, last in _spans(merged, rows):
        start = merged.region_start[first]
        count = merged.region_count[first : last + 1]
        file = files[merged.sources[merged.source_of[first]]]
        with reading(file.filename):
            group = find(file, REGIONS, h5py.Group)
            block = read_table(group, REGION_COLUMNS, slice(start, start + count.sum()))
        block["image"] = np.repeat(np.arange(first, last + 1) - rows.start, count)
        pending.append(block)
        if sum(map(num_rows, pending)) >= _BLOCK_ROWS:
            yield concatenate(pending, REGION_COLUMNS)
            pending = []
    if pending:
        yield concatenate(pending, REGION_COLUMNS)


def _newest_rows(images: Columns) -> NDArray[np.int64]:
    """Choose one row an id: the last that is ok, else the last; sorted by id."""
    chosen: dict[str, int] = {}
    status = images["status"]
    for row, image_id in enumerate(images["id"]):
        before = chosen.get(image_id)
        if before is None or status[row] == OK or status[before] != OK:
            chosen[image_id] = row
    return np.array([chosen[image_id] for image_id in sorted(chosen)], np.int64)


def _count_regions(file: h5py.File, num_images: int) -> NDArray[np.int64]:
    """Count the regions of each image of one file."""
    if REGIONS not in file:
        return np.zeros(num_images, np.int64)
    with reading(file.filename):
        group = find(file, REGIONS, h5py.Group)
        image = read_column(group, "image", REGION_COLUMNS["image"])
        return np.bincount(image, minlength=num_images).astype(np.int64)


def _spans(merged: Merged, rows: range) -> Iterator[tuple[int, int]]:
    """Group neighbouring images whose regions stand one after the other in the same source."""
    with_regions = [row for row in rows if merged.region_count[row]]
    if not with_regions:
        return
    first = last = with_regions[0]
    size = int(merged.region_count[first])
    for row in with_regions[1:]:
        follows = (
            row == last + 1
            and merged.source_of[row] == merged.source_of[last]
            and merged.region_start[row] == merged.region_start[last] + merged.region_count[last]
        )
        size += int(merged.region_count[row])
        if not follows or size > _BLOCK_ROWS:
            yield first, last
            first, size = row, int(merged.region_count[row])
        last = row
    yield first, last
