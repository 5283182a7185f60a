"""Putting finished pieces together to a score file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate.files.atomic import replacing, replacing_folder
from curate.records import OK
from curate.scores.columns import Columns, num_rows, take
from curate.scores.h5_write import MapGroup, write_header, write_images, write_regions
from curate.scores.merging import Merged, region_blocks
from curate.scores.schema import stream_column
from curate.scores.sink import creating_h5
from curate.scores.tables_arrow import pair_token, write_parquet
from curate.scores.targets import SHARD_NAME, Kind, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from curate.scores.sink import Sink

_ROW_BYTES: Final = 4096
"""More than an image's rows, names and headers take up in a file, its maps and regions aside."""

_STREAM_BYTES: Final = 1024
"""More than a stream adds to that."""

_REGION_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Assembly:
    """What a score file is made of.

    Attributes
    ----------
    merged : Merged
        All images.
    levels : tuple of str
        Levels that were scored; without ``region`` there are no regions.
    num_classes : int
    stride : int
        Pixels of the original image per cell of a map.
    provenance, dataset_root : str
        As they are written.
    shard_bytes : int
        Largest size of one shard.
    """

    merged: Merged
    levels: tuple[str, ...]
    num_classes: int
    stride: int
    provenance: str
    dataset_root: str
    shard_bytes: int


def assemble(assembly: Assembly, target: Target) -> None:
    """Write the whole score file; each file of it is there complete, or as it was before."""
    everything = range(num_rows(assembly.merged.images))
    if target.kind is Kind.SHARDS:
        with replacing_folder(target.path) as partial:
            for number, rows in enumerate(_shards(assembly)):
                _write_h5(assembly, rows, partial / SHARD_NAME.format(number))
            _write_tables(assembly, Target(partial, Kind.SHARDS))
        return
    if target.kind is Kind.H5:
        with replacing(target.path) as partial:
            _write_h5(assembly, everything, partial)
    _write_tables(assembly, target)


def _write_h5(assembly: Assembly, rows: range, path: Path) -> None:
    """Write one HDF5 file with some of the images."""
    merged = assembly.merged
    with creating_h5(path) as (file, sink):
        write_header(file, provenance=assembly.provenance, dataset_root=assembly.dataset_root)
        write_images(file, take(merged.images, slice(rows.start, rows.stop)), merged.schema)
        if "region" in assembly.levels:
            count = int(merged.region_count[rows.start : rows.stop].sum())
            write_regions(file, region_blocks(merged, rows), merged.schema, count=count)
        names = merged.schema.map_groups(assembly.levels)
        groups = {name: MapGroup(file, name, stride=assembly.stride) for name in names}
        _copy_maps(assembly, rows, groups, sink)


def _copy_maps(assembly: Assembly, rows: range, groups: Mapping[str, MapGroup], sink: Sink) -> None:
    """Copy the maps of some images as they are, without unpacking them."""
    merged = assembly.merged
    for row in rows:
        sink.raise_error()
        origin = merged.origins[merged.origin_of[row]]
        for name in _groups_of(assembly, row):
            origin.copy_map(int(merged.row_in[row]), merged.images["id"][row], groups[name])


def _groups_of(assembly: Assembly, row: int) -> list[str]:
    """List the groups in which an image has a map: without a score there is none."""
    images, schema = assembly.merged.images, assembly.merged.schema
    if images["status"][row] != OK:
        return []
    return [
        group
        for group in schema.map_groups(assembly.levels)
        if (stream := schema.stream_groups.get(group)) is None
        or not np.isnan(images[stream_column(stream)][row])
    ]


def _shards(assembly: Assembly) -> Iterator[range]:
    """Cut the images into ranges whose files stay below the limit; at least one range."""
    total = num_rows(assembly.merged.images)
    first, size = 0, 0
    for row in range(total):
        more = _bytes_of(assembly, row)
        if row > first and size + more > assembly.shard_bytes:
            yield range(first, row)
            first, size = row, 0
        size += more
    yield range(first, total)


def _bytes_of(assembly: Assembly, row: int) -> int:
    """Estimate, from above, what an image adds to the size of a file."""
    merged = assembly.merged
    groups, num_streams = _groups_of(assembly, row), len(merged.schema.streams)
    size = _ROW_BYTES + _STREAM_BYTES * num_streams + 16 * assembly.num_classes
    size += (_REGION_BYTES + 8 * num_streams) * int(merged.region_count[row])
    origin = merged.origins[merged.origin_of[row]]
    for group in groups:
        size += origin.map_bytes(group, int(merged.row_in[row]), merged.images["id"][row])
    return size


def _write_tables(assembly: Assembly, target: Target) -> None:
    """Write the Parquet tables; a table of regions that is none of this file's is removed."""
    images = assembly.merged.images
    everything = range(num_rows(images))
    with replacing(target.images_table) as partial:
        _write_parquet(assembly, partial, iter([images]), assembly.merged.schema.images)
    if "region" not in assembly.levels:
        target.regions_table.unlink(missing_ok=True)
        return
    with replacing(target.regions_table) as partial:
        blocks = region_blocks(assembly.merged, everything)
        _write_parquet(assembly, partial, blocks, assembly.merged.schema.regions)


def _write_parquet(
    assembly: Assembly, path: Path, blocks: Iterator[Columns], schema: dict[str, Any]
) -> None:
    """Write one Parquet table."""
    write_parquet(
        path,
        blocks,
        schema,
        num_classes=assembly.num_classes,
        provenance=assembly.provenance,
        dataset_root=assembly.dataset_root,
        pair=pair_token(assembly.merged.images),
    )
