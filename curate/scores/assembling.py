"""Writing a whole score file: each file of it is there complete, or as it was before."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate.files.atomic import replacing, replacing_folder
from curate.records import OK
from curate.scores import columns, h5_write, sources, tables_arrow
from curate.scores.arrow import texts_to_arrow, to_arrow
from curate.scores.schema import IMAGES, REGIONS, Schema, image_map_size, map_scale, stream_column
from curate.scores.targets import SHARD_BYTES, SHARD_NAME, Kind, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import h5py
    from numpy.typing import NDArray

    from curate.scores.provenance import Header, Provenance


_ROW_BYTES: Final = 4096
"""More than an image's rows and names take up in a file, its maps and regions aside."""

_STREAM_BYTES: Final = 1024
"""More than a stream adds to that."""

_REGION_BYTES: Final = 96
_FILE_BYTES: Final = 65_536
"""About what a file without images takes up."""

_BLOCK_ROWS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Assembly:
    """A score file to be written.

    Attributes
    ----------
    content : Content
    provenance : Provenance
    header : Header
        Its means are those of the content.
    schema : Schema
    shard_bytes : int
        Largest size of one file of a folder.
    """

    content: sources.Content
    provenance: Provenance
    header: Header
    schema: Schema
    shard_bytes: int = SHARD_BYTES

    @property
    def rows(self) -> range:
        """Return the rows of all images."""
        return range(columns.num_rows(self.content.images))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of the classes."""
        return self.provenance.classes.names


def assemble(assembly: Assembly, target: Target) -> None:
    """Write a score file of any kind."""
    if target.kind is not Kind.SHARDS:
        _write_part(assembly, assembly.rows, target)
        return
    with replacing_folder(target.path) as partial:
        for number, rows in enumerate(_shards(assembly), start=1):
            _write_part(assembly, rows, Target(partial / SHARD_NAME.format(number), Kind.H5))


def write_h5(
    assembly: Assembly,
    rows: range,
    images: columns.Columns,
    path: Path,
    table: tables_arrow.TableWriter | None = None,
) -> None:
    """Write one HDF5 file with some of the images; those with a ``map_row`` have maps.

    Each source is read once: its regions, which `table` is given, too, then its maps.
    """
    content, schema, levels = assembly.content, assembly.schema, assembly.provenance.levels
    with h5_write.creating_h5(path) as (file, sink):
        h5_write.write_header(file, assembly.header)
        widths = {k: _width(v) for k, v in images.items() if v.dtype == object}
        node = _create_table(assembly, file, IMAGES, len(rows), widths)
        for first in range(0, len(rows), _BLOCK_ROWS):
            node.write(columns.take(images, slice(first, first + _BLOCK_ROWS)))
        regions = _Regions(assembly, rows, table)
        if "region" in levels:
            count = int(content.region_count[rows.start : rows.stop].sum())
            widths = {"id": widths["id"], "class_name": _width(assembly.class_names)}
            regions.also_to(_create_table(assembly, file, REGIONS, count, widths))
        counts = Counter(images["map_size"].tolist())
        writers = {
            group: h5_write.MapWriter(
                file,
                group,
                counts,
                stride=assembly.provenance.stride,
                scale=_scale(assembly, group),
            )
            for group in schema.map_groups(levels)
        }
        map_rows, groups_in_row = images["map_row"].tolist(), _find_groups(assembly)
        for some, block in content.regions(rows):
            regions.add(block)
            for row in some:
                sink.raise_error()
                map_row = map_rows[row - rows.start]
                for group in groups_in_row(row) if map_row >= 0 else ():
                    writers[group].write(map_row, content.packed(group, row))
        regions.flush()


def _create_table(
    assembly: Assembly, file: h5py.File, table: str, count: int, widths: dict[str, int]
) -> h5_write.TableNode:
    """Create a table in a new file."""
    return h5_write.TableNode(
        file,
        table,
        assembly.schema.columns(table),
        count=count,
        num_classes=len(assembly.class_names),
        widths=widths,
    )


def number_maps(assembly: Assembly, rows: range, *, has_maps: bool) -> columns.Columns:
    """Return the images in some rows, ready to be written: maps are numbered by size.

    Returns
    -------
    images : Columns
        With ``map_size`` and ``map_row``, and weights divided by their means.
    """
    images = columns.take(assembly.content.images, slice(rows.start, rows.stop))
    sizes, map_rows = np.full(len(rows), "", object), np.full(len(rows), -1, np.int32)
    counts: dict[str, int] = {}
    if has_maps and assembly.schema.map_groups(assembly.provenance.levels):
        for row in np.flatnonzero(images["status"] == OK).tolist():
            height, width = int(images["height"][row]), int(images["width"][row])
            size = image_map_size(height, width, assembly.provenance.stride)
            sizes[row], map_rows[row] = size, counts.get(size, 0)
            counts[size] = counts.get(size, 0) + 1
    images = columns.divide(images, assembly.header.weight_means)
    return images | {"map_size": sizes, "map_row": map_rows}


def _find_groups(assembly: Assembly) -> Callable[[int], list[str]]:
    """Tell for each row in which groups the image has a map: an inactive stream has none."""
    images, streams = assembly.content.images, assembly.schema.stream_groups
    groups = assembly.schema.map_groups(assembly.provenance.levels)
    lacks = {
        group: np.isnan(images[stream_column(streams[group])])
        for group in groups
        if group in streams
    }

    def find(row: int) -> list[str]:
        if images["status"][row] != OK:
            return []
        return [group for group in groups if group not in lacks or not lacks[group][row]]

    return find


def _write_part(assembly: Assembly, rows: range, target: Target) -> None:
    """Write an HDF5 file, unless only tables are wanted, and the tables beside it.

    Only when all are written do they take the places of their predecessors, which may be what they
    are made of. A table of regions that is none of this file's is removed.
    """
    schema, images = assembly.schema, number_maps(assembly, rows, has_maps=target.has_maps)
    about: dict[str, Any] = {
        "class_names": assembly.class_names,
        "header": assembly.header,
        "pair": tables_arrow.pair_token(images["id"], images["score"]),
    }
    with ExitStack() as stack:
        h5 = stack.enter_context(replacing(target.path)) if target.has_maps else None
        partial = stack.enter_context(replacing(target.images_table))
        with tables_arrow.TableWriter(partial, schema.columns(IMAGES), **about) as table:
            table.write(images)
        with ExitStack() as tables:
            regions = None
            if "region" in assembly.provenance.levels:
                partial = stack.enter_context(replacing(target.regions_table))
                regions = tables_arrow.TableWriter(partial, schema.columns(REGIONS), **about)
                tables.enter_context(regions)
            if h5 is not None:
                write_h5(assembly, rows, images, h5, regions)
            elif regions is not None:
                _copy_regions(assembly, rows, regions)
    if "region" not in assembly.provenance.levels:
        target.regions_table.unlink(missing_ok=True)


def _copy_regions(assembly: Assembly, rows: range, table: tables_arrow.TableWriter) -> None:
    """Write the regions of some images to a table alone."""
    regions = _Regions(assembly, rows, table)
    for _, block in assembly.content.regions(rows):
        regions.add(block)
    regions.flush()


class _Regions:
    """Regions of some images, on their way to the files that keep them, many at a time."""

    def __init__(
        self, assembly: Assembly, rows: range, table: tables_arrow.TableWriter | None
    ) -> None:
        ids = assembly.content.images["id"][rows.start : rows.stop]
        self._texts = {"id": ids, "class_name": np.array([*assembly.class_names, ""], object)}
        self._means, self._columns = assembly.header.weight_means, assembly.schema.region_columns
        self._pending: list[columns.Columns] = []
        self._sinks: list[tuple[Callable[[Any], None], dict[str, Any]]] = []
        if table is not None:
            texts = {name: texts_to_arrow(each) for name, each in self._texts.items()}
            self._sinks.append((table.write, texts))

    def also_to(self, node: h5_write.TableNode) -> None:
        """Write to a table of an HDF5 file, too."""
        texts = {name: h5_write.encode_texts(each) for name, each in self._texts.items()}
        self._sinks.append((node.write, texts))

    def add(self, block: columns.Columns) -> None:
        """Take some regions."""
        self._pending.append(block)
        if sum(map(columns.num_rows, self._pending)) >= _BLOCK_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what was taken; strings, encoded once, are repeated."""
        pending, self._pending = self._pending, []
        if not pending or not self._sinks:
            return
        block = columns.divide(columns.concatenate(pending, self._columns), self._means)
        last = len(self._texts["class_name"]) - 1  # no class
        index = {"id": block["image"], "class_name": np.minimum(block["class_id"], last)}
        for write, texts in self._sinks:
            write(block | {name: _pick(texts[name], rows) for name, rows in index.items()})


def _pick(values: Any, rows: NDArray[Any]) -> Any:  # noqa: ANN401
    """Repeat strings, of NumPy's or Arrow's."""
    return values[rows] if isinstance(values, np.ndarray) else values.take(to_arrow(rows))


def _width(texts: Iterable[str]) -> int:
    """Count the bytes of the longest string."""
    return max((len(text.encode()) for text in texts), default=1)


def _scale(assembly: Assembly, group: str) -> float | None:
    """Tell what a stored value of a map is worth, see `Attr.SCALE`."""
    return map_scale(group, assembly.provenance.largest_weight / assembly.header.weight_means[0])


def _shards(assembly: Assembly) -> Iterator[range]:
    """Cut the images into ranges whose files stay below the limit; at least one range."""
    first, size, groups_in_row = 0, _FILE_BYTES, _find_groups(assembly)
    for row in assembly.rows:
        more = _bytes_of(assembly, row, groups_in_row(row))
        if row > first and size + more > assembly.shard_bytes:
            yield range(first, row)
            first, size = row, _FILE_BYTES
        size += more
    yield range(first, len(assembly.rows))


def _bytes_of(assembly: Assembly, row: int, groups: Iterable[str]) -> int:
    """Estimate, from above, what an image adds to the size of a file."""
    num_streams = len(assembly.schema.streams)
    size = _ROW_BYTES + _STREAM_BYTES * num_streams + 16 * len(assembly.class_names)
    size += (_REGION_BYTES + 8 * num_streams) * int(assembly.content.region_count[row])
    packed = (assembly.content.packed(group, row) for group in groups)
    return size + sum(len(each.data) for each in packed)
