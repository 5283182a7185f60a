"""The maps of a score file: found by image id, checked, and kept in mind for the next epoch."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from curate.data import idmap_files, labels
from curate.errors import DataError, StoreError
from curate.scores.schema import PIXEL_WEIGHTS, Schema, image_map_size, stream_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from curate.scores.h5_read import Maps
    from curate.scores.tables import Part, Tables

_MAX_PLACES: Final = 200_000
"""Maps whose places are kept in mind, some 300 bytes each; others are looked up every time."""

_MAX_CELL_BYTES: Final = 1 << 26
"""The maps that were read last are kept unpacked, up to this size."""


_MAX_DIGITS: Final = 20


class FoundMap(NamedTuple):
    """A map of an image.

    Attributes
    ----------
    cells : (h, w) uint8, uint16 or uint32
        Not to be written to.
    height, width, stride : int
        Of the image in pixels; pixels a cell.
    scale : float
        What 255 stands for.
    """

    cells: NDArray[Any]
    height: int
    width: int
    stride: int
    scale: float


class MapReader:
    """Maps of the images in some parts.

    Parameters
    ----------
    parts : sequence of Part
    tables : Tables
        Of the same parts.
    schema : Schema
    where : str
        Names the score file in errors.
    """

    def __init__(self, parts: Sequence[Part], tables: Tables, schema: Schema, where: str) -> None:
        self._parts, self._tables, self._schema, self._where = parts, tables, schema, where
        self._places: dict[tuple[str, str], _Place] = {}
        self._cells: OrderedDict[tuple[str, str], NDArray[Any]] = OrderedDict()
        self._cell_bytes = 0

    def read(self, group: str, image_id: str) -> FoundMap:
        """Read a map, from memory if it was read lately.

        Raises
        ------
        StoreError
            If there is none, or it is not what it should be.
        """
        key = (group, image_id)
        place = self._places.get(key)
        if place is None:
            place = self._find(group, image_id)
            if len(self._places) < _MAX_PLACES:
                self._places[key] = place
        cells = self._cells.get(key)
        if cells is None:
            cells = place.maps.cells(place.row)
            self._keep(key, cells)
        return FoundMap(cells, place.height, place.width, place.maps.stride, place.scale)

    def _keep(self, key: tuple[str, str], cells: NDArray[Any]) -> None:
        """Keep a map unpacked; what was read first is dropped first."""
        self._cells[key] = cells
        self._cell_bytes += cells.nbytes
        while self._cell_bytes > _MAX_CELL_BYTES and self._cells:
            self._cell_bytes -= self._cells.popitem(last=False)[1].nbytes

    def _find(self, group: str, image_id: str) -> _Place:
        """Find a map by the tables, with all checks."""
        row = self.scored_row(image_id)
        stream = self._schema.stream_groups.get(group)
        if stream is not None and np.isnan(self._tables.images(stream_column(stream))[row]):
            msg = f"{self._where}: stream '{stream}' is inactive, it has no map of '{image_id}'."
            raise StoreError(msg)
        part = self._parts[self._tables.part_of[row]]
        height, width, map_row = (
            int(self._tables.images(name)[row]) for name in ("height", "width", "map_row")
        )
        size = self._tables.images("map_size")[row].as_py()
        if map_row < 0 or not size:
            msg = (
                f"{self._where} holds no {group} of image '{image_id}'. Score again, with all "
                "levels and --out NAME.h5."
            )
            raise StoreError(msg)
        maps = find_maps(part, group, size)
        if image_map_size(height, width, maps.stride) != size:
            msg = (
                f"{self._where}: maps of {size} at stride {maps.stride} do not fit image "
                f"'{image_id}' of {height}x{width} pixels. Score the data set again."
            )
            raise StoreError(msg)
        scale = maps.scale if group == PIXEL_WEIGHTS else 1.0
        if not isinstance(scale, float) or not 0 <= scale < np.inf:
            msg = f"{maps.path}: weights of scale {scale}. Score the data set again."
            raise StoreError(msg)
        return _Place(maps, map_row, height, width, scale)

    def scored_row(self, image_id: str) -> int:
        """Return the row of an image that has scores."""
        row = self._tables.row_of(image_id)
        if row is None:
            msg = f"{self._where} knows no image '{image_id}'. See its image table for the ids."
            raise StoreError(msg)
        if not self._tables.is_ok[row]:
            status = self._tables.images("status")[row].as_py()
            msg = f"{self._where}: image '{image_id}' was not scored (status {status})."
            raise StoreError(msg)
        return row


class _Place(NamedTuple):
    """Where a map is, and what is known of its image."""

    maps: Maps
    row: int
    height: int
    width: int
    scale: float


def find_maps(part: Part, group: str, size: str) -> Maps:
    """Find all maps of one kind and size.

    Raises
    ------
    StoreError
        If there are none.
    """
    down, _, across = size.partition("x")
    is_size = down.isdecimal() and across.isdecimal() and len(size) < _MAX_DIGITS
    maps = part.maps(group, (int(down), int(across))) if is_size else None
    if maps is None:
        msg = (
            f"{part.path} holds no {group} of {size}. Score again, with all levels and --out "
            "NAME.h5."
        )
        raise StoreError(msg)
    return maps


def read_label_map(
    folder: Path,
    relative: str,
    size: tuple[int, ...],
    id_map: dict[str, Any] | None,
    *,
    where: str,
) -> NDArray[np.uint8]:
    """Read the class index of each pixel of a label of a scored data set.

    Parameters
    ----------
    size : (int, int)
        Height and width that it had when it was scored.
    id_map : dict
        How labels were read then, from the provenance.
    where : str
        Names the score file in errors.

    Raises
    ------
    DataError
        If it cannot be read, or has another size.
    StoreError
        If the path leads out of the data set, or the id map is not what it should be.
    """
    if Path(relative).is_absolute() or ".." in Path(relative).parts:
        msg = f"{where} holds the path {relative!a}, which leads out of the data set."
        raise StoreError(msg)
    restored = idmap_files.restore_id_map(id_map, where=where)
    found = restored.apply(labels.read_label_ids(folder / relative, restored))
    if found.shape != size:
        seen, before = ("x".join(map(str, each)) for each in (found.shape, size))
        msg = (
            f"{folder / relative} has {seen} pixels, but had {before} when it was scored. Score "
            "it again."
        )
        raise DataError(msg, code="size_mismatch")
    return found
