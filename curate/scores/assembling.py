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
from curate.scores.schema import IMAGES, REGIONS, Schema, image_map_size, map_scale, stream_column
from curate.scores.targets import SHARD_BYTES, SHARD_NAME, Kind, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

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


def write_h5(assembly: Assembly, rows: range, images: columns.Columns, path: Path) -> None:
    """Write one HDF5 file with some of the images; those with a ``map_row`` have maps."""
    content, schema, levels = assembly.content, assembly.schema, assembly.provenance.levels
    num_classes = len(assembly.class_names)
    with h5_write.creating_h5(path) as (file, sink):
        h5_write.write_header(file, assembly.header)
        h5_write.write_table(
            file,
            IMAGES,
            (
                columns.take(images, slice(n, n + _BLOCK_ROWS))
                for n in range(0, len(rows), _BLOCK_ROWS)
            ),
            schema.columns(IMAGES),
            count=len(rows),
            num_classes=num_classes,
            widths={k: _width(v) for k, v in images.items() if v.dtype == object},
        )
        if "region" in levels:
            h5_write.write_table(
                file,
                REGIONS,
                _region_blocks(assembly, rows, h5_write.encode_texts),
                schema.columns(REGIONS),
                count=int(content.region_count[rows.start : rows.stop].sum()),
                num_classes=num_classes,
                widths={"id": _width(images["id"]), "class_name": _width(assembly.class_names)},
            )
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
        for row, map_row in zip(rows, images["map_row"].tolist(), strict=True):
            sink.raise_error()
            for group in groups_of(assembly, row) if map_row >= 0 else ():
                writers[group].write(map_row, content.packed(group, row))


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


def groups_of(assembly: Assembly, row: int) -> list[str]:
    """List the groups in which an image has a map: an inactive stream has none."""
    images, schema = assembly.content.images, assembly.schema
    if images["status"][row] != OK:
        return []
    return [
        group
        for group in schema.map_groups(assembly.provenance.levels)
        if (stream := schema.stream_groups.get(group)) is None
        or not np.isnan(images[stream_column(stream)][row])
    ]


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
        if target.has_maps:
            partial = stack.enter_context(replacing(target.path))
            write_h5(assembly, rows, images, partial)
        partial = stack.enter_context(replacing(target.images_table))
        tables_arrow.write_parquet(partial, iter([images]), schema.columns(IMAGES), **about)
        if "region" in assembly.provenance.levels:
            partial = stack.enter_context(replacing(target.regions_table))
            blocks = _region_blocks(assembly, rows)
            tables_arrow.write_parquet(partial, blocks, schema.columns(REGIONS), **about)
    if "region" not in assembly.provenance.levels:
        target.regions_table.unlink(missing_ok=True)


def _region_blocks(
    assembly: Assembly, rows: range, change: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray
) -> Iterator[columns.Columns]:
    """Yield the whole region table of some images; strings, changed once, are then repeated."""
    ids = change(assembly.content.images["id"][rows.start : rows.stop])
    names = change(np.array([*assembly.class_names, ""], object))  # no class last
    for block in assembly.content.regions(rows):
        class_index = np.minimum(block["class_id"], len(names) - 1)
        repeated = {"id": ids[block["image"]], "class_name": names[class_index]}
        yield columns.divide(block, assembly.header.weight_means) | repeated


def _width(texts: Iterable[str]) -> int:
    """Count the bytes of the longest string."""
    return max((len(text.encode()) for text in texts), default=1)


def _scale(assembly: Assembly, group: str) -> float | None:
    """Tell what a stored value of a map is worth, see `Attr.SCALE`."""
    return map_scale(group, assembly.provenance.largest_weight / assembly.header.weight_means[0])


def _shards(assembly: Assembly) -> Iterator[range]:
    """Cut the images into ranges whose files stay below the limit; at least one range."""
    first, size = 0, _FILE_BYTES
    for row in assembly.rows:
        more = _bytes_of(assembly, row)
        if row > first and size + more > assembly.shard_bytes:
            yield range(first, row)
            first, size = row, _FILE_BYTES
        size += more
    yield range(first, len(assembly.rows))


def _bytes_of(assembly: Assembly, row: int) -> int:
    """Estimate, from above, what an image adds to the size of a file."""
    num_streams = len(assembly.schema.streams)
    size = _ROW_BYTES + _STREAM_BYTES * num_streams + 16 * len(assembly.class_names)
    size += (_REGION_BYTES + 8 * num_streams) * int(assembly.content.region_count[row])
    packed = (assembly.content.packed(group, row) for group in groups_of(assembly, row))
    return size + sum(len(each.data) for each in packed)
