"""The work folder of a score file: finished pieces, each a Parquet table with packed maps.

A piece is written and forced to the disk in one go, so that whatever is in the folder is whole.
Pages carry checksums: what was damaged afterwards is noticed when the score file is put together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import StoreError
from curate.files.atomic import replacing
from curate.files.disk_errors import disk_errors
from curate.files.locks import FolderLock
from curate.records import OK
from curate.scores.arrow import from_arrow
from curate.scores.columns import Columns, image_columns, region_columns
from curate.scores.h5_read import reading
from curate.scores.packing import COMPRESSIONS, PackedMap
from curate.scores.schema import MAP_DTYPES, REGIONS, Schema, map_shape
from curate.scores.tables_arrow import (
    arrow_fields,
    open_table,
    read_columns,
    table_metadata,
    to_typed_arrow,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.records import ScoredImage

_NAME: Final = "piece-{:08d}-{:04d}.parquet"
_FRESH: Final = "overwrite"
"""Marks a work folder whose pieces replace the finished score file instead of adding to it."""

_NUM_REGIONS: Final = "num_regions"

_MAP: Final = pa.struct(
    [("height", pa.int32()), ("width", pa.int32()), ("dtype", pa.string()),
     ("compression", pa.string()), ("data", pa.large_binary())]
)  # fmt: skip


class Pieces:
    """The folder of pieces; a lock keeps a second writer out, and dies with its process.

    Parameters
    ----------
    folder : Path
        Created if it is not there.
    rank : int
        Number of this process among those that write to the folder together; only the first one,
        0, takes the lock.

    Raises
    ------
    StoreError
        If another process writes to the folder, or the disk does not let us.
    """

    def __init__(self, folder: Path, *, rank: int = 0) -> None:
        self.folder = folder
        self.rank = rank
        self._lock = FolderLock(folder) if rank == 0 else None
        self._next = 1 + max((int(path.stem.split("-")[1]) for path in self.paths()), default=0)

    @property
    def is_fresh(self) -> bool:
        """Tell whether a finished score file is to be ignored."""
        return (self.folder / _FRESH).exists()

    def start_over(self) -> None:
        """Remove all pieces, and ignore a finished score file from now on."""
        with disk_errors("write to", self.folder):
            (self.folder / _FRESH).touch()
            for path in self.paths():
                path.unlink()

    def paths(self) -> list[Path]:
        """List the pieces, oldest first."""
        return sorted(self.folder.glob("piece-*.parquet"))

    def add(self, piece: Piece, *, provenance: str, dataset_root: str) -> None:
        """Write a piece; it is there when this returns, whatever happens to the machine."""
        path = self.folder / _NAME.format(self._next, self.rank)
        metadata = table_metadata(provenance=provenance, dataset_root=dataset_root)
        with replacing(path, sweep=False) as partial:
            pq.write_table(
                _to_table(piece).replace_schema_metadata(metadata),
                partial,
                compression="none",
                use_dictionary=False,
                write_statistics=False,
                write_page_checksum=True,
            )
        self._next += 1

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            self._lock.release()


class Piece(NamedTuple):
    """The content of a piece.

    Attributes
    ----------
    schema : Schema
    images : Columns
        The image table.
    region_count : (N,) int64
        Regions of each image.
    regions : Columns
        Regions of all images; ``image`` is the row in `images`.
    maps : dict
        By group, the packed map of each image, None where it has none.
    """

    schema: Schema
    images: Columns
    region_count: NDArray[np.int64]
    regions: Columns
    maps: dict[str, list[PackedMap | None]]


def make_piece(
    batch: Sequence[ScoredImage],
    levels: tuple[str, ...],
    schema: Schema,
    *,
    num_classes: int,
    stride: int | None,
) -> Piece:
    """Arrange scored images as a piece.

    Parameters
    ----------
    stride : int or None
        Pixels per cell of the maps; None leaves them out.

    Raises
    ------
    StoreError
        If a map is missing, or has another shape or type than the file needs.
    """
    regions = region_columns(batch if "region" in levels else [], schema)
    return Piece(
        schema=schema,
        images=image_columns(batch, schema, num_classes=num_classes),
        region_count=np.bincount(regions["image"], minlength=len(batch)),
        regions=regions,
        maps={
            group: [_checked_map(image, group, schema, stride) for image in batch]
            for group in schema.map_groups(levels)
            if stride is not None
        },
    )


def read_piece_images(path: Path, schema: Schema) -> tuple[Columns, NDArray[np.int64]]:
    """Read the image table of a piece, and how many regions each image has.

    Raises
    ------
    StoreError
        If it is missing, damaged or not what it should be.
    """
    with open_table(path, schema.images, verify=True) as file:
        images = read_columns(file, schema.images, path)
        return images, from_arrow(file.read([_NUM_REGIONS]).column(_NUM_REGIONS))


def read_piece_regions(path: Path, schema: Schema) -> Columns:
    """Read the region table of a piece; ``image`` is the row in its image table.

    Raises
    ------
    StoreError
        If it is missing, damaged or not what it should be.
    """
    rows = _read(path, [REGIONS]).column(REGIONS).combine_chunks().flatten()
    with reading(path):
        return {name: from_arrow(rows.field(name)) for name in schema.regions}


def read_piece_maps(path: Path, schema: Schema) -> dict[str, list[PackedMap | None]]:
    """Read the packed maps of a piece: by group, one an image, None where it has none.

    Raises
    ------
    StoreError
        If it is missing, damaged or not what it should be.
    """
    table = _read(path, list(schema.map_dtypes))
    maps = {name: list(map(_unwrap, table.column(name).to_pylist())) for name in table.column_names}
    if not all(map(_is_sound, (m for group in maps.values() for m in group if m))):
        msg = f"{path} holds a map that no version of curate wrote. Remove it, then --resume."
        raise StoreError(msg)
    return maps


def _read(path: Path, names: list[str]) -> pa.Table:
    """Read columns of a piece, as far as they are there; checksums are looked at."""
    with reading(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read([name for name in names if name in file.schema_arrow.names])


def _to_table(piece: Piece) -> Any:  # noqa: ANN401
    """Arrange a piece as one Arrow table, one row an image."""
    num_classes = piece.images["class_px"].shape[1]
    fields = arrow_fields(piece.schema.images, num_classes)
    columns = {name: to_typed_arrow(piece.images[name], kind) for name, kind in fields}
    region_fields = arrow_fields(piece.schema.regions)
    rows = pa.StructArray.from_arrays(
        [to_typed_arrow(piece.regions[name], kind) for name, kind in region_fields],
        fields=[pa.field(name, kind) for name, kind in region_fields],
    )
    columns[_NUM_REGIONS] = pa.array(piece.region_count)
    ends = np.concatenate([[0], np.cumsum(piece.region_count)]).astype(np.int32)
    columns[REGIONS] = pa.ListArray.from_arrays(pa.array(ends), rows)
    for group, maps in piece.maps.items():
        columns[group] = pa.array([m and _wrap(m) for m in maps], _MAP)
    return pa.table(columns)


def _wrap(packed: PackedMap) -> dict[str, Any]:
    """Turn a packed map into plain values."""
    height, width = packed.shape
    return {
        "height": height, "width": width, "dtype": packed.dtype,
        "compression": packed.compression, "data": packed.data,
    }  # fmt: skip


def _unwrap(value: dict[str, Any] | None) -> PackedMap | None:
    """Turn plain values into a packed map."""
    if value is None:
        return None
    shape = (value["height"], value["width"])
    return PackedMap(shape, value["dtype"], value["compression"], value["data"])


def _is_sound(packed: PackedMap) -> bool:
    """Tell whether a map has a known type and compression."""
    return packed.compression in COMPRESSIONS and packed.dtype in sum(MAP_DTYPES.values(), ())


def _checked_map(image: ScoredImage, group: str, schema: Schema, stride: int) -> PackedMap | None:
    """Return a map that fits its image, None where there is nothing to map."""
    stream = schema.stream_groups.get(group)
    is_inactive = stream is not None and np.isnan(image.streams.get(stream, np.nan))
    if image.status != OK or is_inactive:
        return None
    packed: PackedMap | None = (
        getattr(image, group) if stream is None else image.stream_scores.get(stream)
    )
    shape = map_shape(image.height, image.width, stride)
    dtypes = schema.map_dtypes[group]
    if packed is not None and packed.shape == shape and packed.dtype in dtypes:
        return packed
    found = "missing" if packed is None else f"{packed.dtype} of shape {packed.shape}"
    msg = (
        f"a map of image '{image.pair.id}' is {found}; {' or '.join(dtypes)} of shape {shape} "
        f"is required for {image.height}x{image.width} pixels at stride {stride}."
    )
    raise StoreError(msg)
