"""Where the content of a new score file comes from: finished files and pieces, seen as one."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from curate import errors, records
from curate.scores import checks, columns, h5_read, maps, packing, targets
from curate.scores.provenance import Prefixes
from curate.scores.schema import IMAGES, REGIONS, Schema
from curate.scores.score_file import ScoreFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


_MAX_OPEN_FILES: Final = 16
_BLOCK_ROWS: Final = 1_000_000


class Content(Protocol):
    """Images, regions and maps that are to be written to a score file.

    Attributes
    ----------
    images : Columns
        The image table, sorted by id; weights are not yet divided by their means.
    region_count : (N,) int64
        Regions of each image.
    means : tuple of float
        What the weights are to be divided by.
    """

    images: columns.Columns
    region_count: NDArray[np.int64]
    means: tuple[float, ...]

    def regions(self, rows: range) -> Iterator[tuple[range, columns.Columns]]:
        """Yield the regions of some images, some images at a time.

        Yields
        ------
        some : range
            Images that follow each other; all of them together are `rows`.
        regions : Columns
            Theirs, ``image`` counted from the first of `rows`; empty without regions.
        """

    def packed(self, group: str, row: int) -> packing.PackedMap:
        """Return a map of an image that was scored."""


class Loaded(NamedTuple):
    """What is kept in memory of a source: its image table, and where its regions begin and end."""

    images: columns.Columns
    region_ends: NDArray[np.int64]

    def prefixed(self, prefixes: Prefixes) -> Loaded:
        """Put the name of a data set before ids and paths."""
        if prefixes == Prefixes():
            return self
        images = self.images | {"id": prefixes.ids + self.images["id"]}
        for name in ("image_path", "label_path"):
            images[name] = np.where(images[name] == "", "", prefixes.paths + images[name])
        return self._replace(images=images)


class Merged:
    """The newest finished scores of each image in several files; scores never yield to a failure.

    Parameters
    ----------
    sources : sequence of ScoreFile
        Of one part each and one schema, oldest first.
    num_classes : int
    prefixes : sequence of Prefixes, optional
        Of each source.
    loaded : sequence of Loaded, optional
        What was loaded of each source already.
    """

    def __init__(
        self,
        sources: Sequence[ScoreFile],
        schema: Schema,
        *,
        num_classes: int,
        prefixes: Sequence[Prefixes] = (),
        loaded: Sequence[Loaded] = (),
    ) -> None:
        self._sources, self._schema = sources, schema
        self._open: OrderedDict[int, ScoreFile] = OrderedDict()
        self._maps: dict[tuple[int, str, str], h5_read.Maps] = {}
        loaded = loaded or [load(source) for source in sources]
        if prefixes:
            loaded = [each.prefixed(own) for each, own in zip(loaded, prefixes, strict=True)]
        lengths = [columns.num_rows(each.images) for each in loaded]
        images = columns.concatenate(
            [each.images for each in loaded], schema.columns(IMAGES), num_classes=num_classes
        )
        rows = _newest_rows(images)
        self.images = columns.take(images, rows)
        self._source_of = np.repeat(np.arange(len(sources)), lengths)[rows]
        ends = [np.empty(0, np.int64), *(each.region_ends[1:] for each in loaded)]
        starts = [np.empty(0, np.int64), *(each.region_ends[:-1] for each in loaded)]
        self._region_start = np.concatenate(starts)[rows]
        self.region_count = np.concatenate(ends)[rows] - self._region_start
        self.means = columns.measure_means(self.images)

    def regions(self, rows: range) -> Iterator[tuple[range, columns.Columns]]:
        """Yield the regions of neighbouring images of one source, whose maps are at hand then."""
        for some in self._spans(rows):
            count = self.region_count[some.start : some.stop]
            total, start = int(count.sum()), int(self._region_start[some.start])
            source = self._use(int(self._source_of[some.start]))
            block = load_regions(source, slice(start, start + total))
            block["image"] = np.repeat(np.arange(some.start, some.stop) - rows.start, count)
            yield some, block

    def packed(self, group: str, row: int) -> packing.PackedMap:
        """Read a map as it is stored."""
        key = int(self._source_of[row]), group, self.images["map_size"][row]
        if key not in self._maps:
            self._maps[key] = self._find_maps(*key)
        return self._maps[key].packed(int(self.images["map_row"][row]))

    def _find_maps(self, number: int, group: str, size: str) -> h5_read.Maps:
        """Find the maps of a size in a source."""
        source = self._use(number)
        if not source.has_maps:
            msg = (
                f"{source.path} holds tables only, no {group}: name an --out that ends in "
                ".parquet, or score again into an .h5 file."
            )
            raise errors.StoreError(msg)
        return maps.find_maps(source.parts[0], group, size)

    def close(self) -> None:
        """Close all sources."""
        for source in self._sources:
            source.close()

    def _use(self, number: int) -> ScoreFile:
        """Return a source; of all others, only the ones that were used last stay open."""
        source = self._open.pop(number, self._sources[number])
        self._open[number] = source
        while len(self._open) > _MAX_OPEN_FILES:
            closed, other = self._open.popitem(last=False)
            other.close()
            self._maps = {key: found for key, found in self._maps.items() if key[0] != closed}
        return source

    def _spans(self, rows: range) -> Iterator[range]:
        """Group neighbouring images whose regions stand one after the other in one source."""
        count, start = (
            values[rows.start : rows.stop] for values in (self.region_count, self._region_start)
        )
        source = self._source_of[rows.start : rows.stop]
        follows = (source[1:] == source[:-1]) & (start[1:] == start[:-1] + count[:-1])
        borders = [0, *(np.flatnonzero(~follows) + 1).tolist(), len(rows)]
        for first, last in pairwise(borders):
            before, size = first, 0
            for row, more in enumerate(count[first:last].tolist(), start=first):
                if row > before and size + more > _BLOCK_ROWS:
                    yield rows[before:row]
                    before, size = row, 0
                size += more
            if before < last:
                yield rows[before:last]


def open_files(target: targets.Target) -> list[ScoreFile]:
    """Open the finished files of a score file, each by itself, as far as they are there."""
    return [open_closed(file.path) for file in target.files()]


def open_closed(path: Path) -> ScoreFile:
    """Open a score file for a look at its header; of a thousand pieces few can be open at once."""
    with ScoreFile(path) as file:
        return file


def load(source: ScoreFile) -> Loaded:
    """Load the image table of a source of one part, with all checks, and close the source."""
    found = {name: source.image_column(name) for name in source.schema.columns(IMAGES)}
    images = {
        name: np.array(values.to_pylist(), object) if isinstance(values, pa.Array) else values
        for name, values in found.items()
    }
    if source.tables.order is not None:
        msg = f"{source.path}: images are not sorted by id. Score the data set again."
        raise errors.StoreError(msg)
    part, count = source.parts[0], source.num_images
    image = part.read(REGIONS, "image")
    checks.check_region_images(image, num_images=count, where=str(source.path))
    ends = np.searchsorted(image, np.arange(count + 1))
    source.close()
    return Loaded(columns.round_weights(images, source.header.weight_means), ends.astype(np.int64))


def load_regions(source: ScoreFile, rows: slice) -> columns.Columns:
    """Load some rows of the region table of a source of one part, with all checks."""
    part, where = source.parts[0], str(source.path)
    part.count(REGIONS)  # looks at all columns
    block = {name: part.read(REGIONS, name, rows) for name in source.schema.region_columns}
    for name, values in block.items():
        checks.check_region_column(name, values, where=where)
    return columns.round_weights(block, source.header.weight_means)


def _newest_rows(images: columns.Columns) -> NDArray[np.int64]:
    """Choose one row an id: the last that is ok, else the last; sorted by id."""
    chosen: dict[str, int] = {}
    status = images["status"]
    for row, image_id in enumerate(images["id"]):
        before = chosen.get(image_id)
        if before is None or status[row] == records.OK or status[before] != records.OK:
            chosen[image_id] = row
    return np.array([chosen[image_id] for image_id in sorted(chosen)], np.int64)
