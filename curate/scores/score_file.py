"""Reading a score file."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import h5py
import numpy as np

from curate.errors import StoreError, UsageError
from curate.scores.alignment import align_scores
from curate.scores.chunks import read_chunk
from curate.scores.h5_read import find, open_h5, reading
from curate.scores.headers import read_h5_header, read_table_headers
from curate.scores.maps import read_map
from curate.scores.provenance import refuse_mixing, schema_of
from curate.scores.schema import PIXEL_SCORES, REGION_IDS, stream_column, stream_group
from curate.scores.tables import H5Source, ParquetSource, Tables
from curate.scores.tables_arrow import to_table
from curate.scores.targets import Kind, resolve_target

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from curate.scores.chunks import Chunk
    from curate.scores.schema import Column
    from curate.scores.tables import TableSource


_MAX_FOLDERS: Final = 4096
_MAX_KNOWN_MAPS: Final = 200_000
"""Maps whose places are kept in mind, some 300 bytes each; others are looked up every time."""

_NO_CELLS: Final = np.empty((0, 0), np.uint8)


class ScoreFile:
    """Scores of a data set: one HDF5 file, a folder of them, or the two Parquet tables.

    Opening it reads and checks the header only. It can be pickled, and used in several processes:
    each opens the file for itself. Tables and maps are read when they are first asked for.

    Links inside an HDF5 file are never followed. A shard of a folder may be a symbolic link, say to
    another disk: it is read like any other, and has to be a score file of the same provenance.

    Parameters
    ----------
    path : Path
        ``weights.h5``, ``weights.parquet`` (the tables beside it alone), or a folder of shards.

    Attributes
    ----------
    provenance : dict
        Run, data set, classes, levels, stride: what must be equal before files are mixed.
    dataset_root : Path
        Where the data set was when it was scored.

    Raises
    ------
    StoreError
        Here or on any later access, if the file is missing, truncated, foreign, newer than this
        program, or made of files whose provenance differs.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path).resolve()
        self.target = resolve_target(self.path)
        self._files = self.target.h5_files()
        self._open: dict[Path, h5py.File] = {}
        self._folders: dict[tuple[Path, str], h5py.Group] = {}
        self._known_maps: dict[tuple[str, str], _KnownMap] = {}
        self._pid = os.getpid()
        if self.target.kind is Kind.SHARDS and not self._files:
            msg = f"{path} holds no *.h5 file. Name a score file that 'curate score' wrote."
            raise StoreError(msg)
        if self.target.kind is Kind.H5:
            self._files = [self.path]
        self.provenance, self.dataset_root = self._read_headers()
        self._schema = schema_of(self.provenance, where=str(self.path))

    @property
    def has_maps(self) -> bool:
        """Tell whether there are maps of pixels and regions, not only tables."""
        return bool(self._files)

    @property
    def streams(self) -> tuple[str, ...]:
        """Name the kinds of evidence that were scored apart: columns ``stream_<name>``.

        A stream that is silent in this run is NaN everywhere.
        """
        return self._schema.streams

    @property
    def has_stream_maps(self) -> bool:
        """Tell whether there are maps of each stream that is not silent."""
        return self.has_maps and bool(self._schema.stream_groups)

    @cached_property
    def images(self) -> pd.DataFrame:
        """Return one row an image, sorted by id; see `class_px` for values by class."""
        names = _plain(self._schema.images)
        return _to_frame({name: self._tables.images(name) for name in names})

    @cached_property
    def regions(self) -> pd.DataFrame:
        """Return one row a region; ``image`` is its row in `images`. Empty without regions."""
        names = _plain(self._schema.regions)
        return _to_frame({name: self._tables.regions(name) for name in names})

    def images_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return what `images` holds, and the values by class, without Python objects.

        Parameters
        ----------
        columns : sequence of str, optional
            Those that are wanted; only they are read. All by default.

        Returns
        -------
        table : (N, columns) pyarrow.Table
            Numbers as in the file, strings as ``large_string``, values by class as lists of
            fixed size.

        Raises
        ------
        UsageError
            If there is no such column.
        """
        names = _known(columns, self._schema.images)
        return to_table({name: self._tables.images(name) for name in names})

    def regions_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return what `regions` holds; see `images_arrow`."""
        names = _known(columns, self._schema.regions)
        return to_table({name: self._tables.regions(name) for name in names})

    def image_column(self, name: str) -> Any:  # noqa: ANN401
        """Return one column of the image table.

        Returns
        -------
        values : (N,) or (N, C) array, or (N,) pyarrow.LargeStringArray
            Numbers as a NumPy array, strings in Arrow.

        Raises
        ------
        UsageError
            If there is no such column.
        """
        return self._tables.images(*_known([name], self._schema.images))

    def region_column(self, name: str) -> NDArray[Any]:
        """Return one column of the region table; see `image_column`."""
        return np.asarray(self._tables.regions(*_known([name], self._schema.regions)))

    @property
    def num_images(self) -> int:
        """Return the number of images."""
        return self._tables.num_images

    @property
    def is_ok(self) -> NDArray[np.bool_]:
        """Tell which images were scored, (N,)."""
        return self._tables.is_ok

    @property
    def class_px(self) -> NDArray[np.int64]:
        """Return the valid pixels of each class in each image, (N, C)."""
        return np.asarray(self._tables.images("class_px"))

    @property
    def class_score(self) -> NDArray[np.float64]:
        """Return the mean score of each class in each image, (N, C); NaN where it is absent."""
        return np.asarray(self._tables.images("class_score"))

    def pixel_scores(self, image_id: str, *, stream: str | None = None) -> NDArray[np.uint8]:
        """Return the combined score times 255 of each cell of an image.

        Parameters
        ----------
        stream : str, optional
            One of `streams`, whose own score is returned instead.

        Returns
        -------
        pixel_scores : (ceil(H/s), ceil(W/s)) uint8

        Raises
        ------
        UsageError
            If there is no such stream.
        StoreError
            If the image is unknown or was not scored, the map is not what it should be, or maps
            of streams were not kept, or the stream is silent.
        """
        return self._read_map(self._group_of(stream), image_id).cells

    def region_ids(self, image_id: str) -> NDArray[np.uint16] | NDArray[np.uint32]:
        """Return the region of each cell of an image, in the shape of `pixel_scores`."""
        return self._read_map(REGION_IDS, image_id).cells

    def score_map(
        self,
        image_id: str,
        *,
        size: tuple[int, int] | None = None,
        crop: tuple[int, int, int, int] | None = None,
        hflip: bool = False,
        resize: str = "nearest",
        stream: str | None = None,
    ) -> NDArray[np.float32]:
        """Return the score of each pixel of an image, or of what a trainer makes of it.

        The image is cropped, then resized, then flipped; the scores of pixels outside the crop
        are never spelled out.

        Parameters
        ----------
        size : (int, int), optional
            Height and width of the output; those of the crop by default.
        crop : (int, int, int, int), optional
            Top, left, height and width in pixels of the original image; all of it by default.
        hflip : bool
            Whether the output is mirrored left to right.
        resize : str
            ``nearest``, each output pixel takes the score at its centre, or ``bilinear``.
        stream : str, optional
            One of `streams`, whose own score is returned instead of the combined one.

        Returns
        -------
        scores : size, float32
            In [0, 1]; `curate.scores.alignment.align_scores` tells the geometry.

        Raises
        ------
        UsageError
            If the crop reaches beyond the image, there is no such stream, or another argument
            makes no sense.
        StoreError
            As `pixel_scores`.
        """
        cells, height, width, stride = self._read_map(self._group_of(stream), image_id)
        return align_scores(
            cells,
            height=height,
            width=width,
            stride=stride,
            size=size,
            crop=crop,
            hflip=hflip,
            resize=resize,
        )

    def close(self) -> None:
        """Close the file; it opens again when needed."""
        self._folders.clear()
        self._known_maps.clear()
        for file in self._open.values():
            file.close()
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        return type(self), (self.path,)

    @cached_property
    def _tables(self) -> Tables:
        """Return the two tables, unread."""
        if self._files:
            source: TableSource = H5Source(self._files, self._handle, self._schema)
        else:
            source = ParquetSource(self.target, self._schema)
        return Tables(source, str(self.path))

    def _handle(self, path: Path) -> h5py.File:
        """Return the open file, this process's own."""
        if self._pid != os.getpid():
            self.close()
            self._pid = os.getpid()
        if path not in self._open:
            self._open[path] = open_h5(path)
        return self._open[path]

    def _read_headers(self) -> tuple[dict[str, Any], Path]:
        """Read all headers and make sure that they belong together."""
        if self._files:
            headers = [read_h5_header(self._handle(path)) for path in self._files]
        else:
            headers = read_table_headers(self.target)
        for header in headers[1:]:
            refuse_mixing(
                header.provenance,
                headers[0].provenance,
                where=f"A part of {self.path}",
                advice="Score all parts with the same settings.",
            )
        return headers[0].provenance, Path(headers[0].dataset_root)

    def _group_of(self, stream: str | None) -> str:
        """Name the group of the maps of a stream, or of the combined score."""
        if stream is None:
            return PIXEL_SCORES
        _ = _known([stream], self.streams, what="stream")
        if not self.has_stream_maps:
            msg = (
                f"{self.path} was scored without maps of streams. Score again with --stream-maps "
                "into an .h5 file."
            )
            raise StoreError(msg)
        return stream_group(stream)

    def _read_map(self, group: str, image_id: str) -> _Map:
        """Read a map, for the first time with all checks."""
        known = self._known_maps.get((group, image_id))
        if known is not None:
            with reading(known.path):
                handle = self._handle(known.path).id.get_vfd_handle()
                return known.map._replace(cells=read_chunk(handle, known.chunk))
        row = self._scored_row(image_id)
        if not self._files:
            msg = f"{self.path} holds tables only, no {group}. Score again with --out NAME.h5."
            raise StoreError(msg)
        stream = self._schema.stream_groups.get(group)
        if stream is not None and np.isnan(self._tables.images(stream_column(stream))[row]):
            msg = f"{self.path}: stream '{stream}' is silent, it has no map of '{image_id}'."
            raise StoreError(msg)
        path = self._files[self._tables.part_of[row]]
        height, width = (int(self._tables.images(name)[row]) for name in ("height", "width"))
        with reading(path):
            folder = self._folder(path, f"{group}/{image_id}")
            name = image_id.rpartition("/")[2]
            stored = read_map(folder, name, self._schema.map_dtypes[group], (height, width))
        found = _Map(stored.cells, height, width, stored.stride)
        if stored.chunk is not None and len(self._known_maps) < _MAX_KNOWN_MAPS:
            without = found._replace(cells=_NO_CELLS)
            self._known_maps[group, image_id] = _KnownMap(path, stored.chunk, without)
        return found

    def _folder(self, path: Path, map_path: str) -> h5py.Group:
        """Return the group that a map is in."""
        key = (path, map_path.rpartition("/")[0])
        file = self._handle(path)
        if key not in self._folders:
            if len(self._folders) >= _MAX_FOLDERS:
                self._folders.clear()
            find(file, map_path, h5py.Dataset)  # says of the whole path what is wrong with it
            self._folders[key] = find(file, key[1], h5py.Group)
        return self._folders[key]

    def _scored_row(self, image_id: str) -> int:
        """Return the row of an image that has scores."""
        row = self._tables.row_of(image_id)
        if row is None:
            msg = f"{self.path} knows no image '{image_id}'. See its image table for the ids."
            raise StoreError(msg)
        if not self._tables.is_ok[row]:
            status = self._tables.images("status")[row].as_py()
            msg = f"{self.path}: image '{image_id}' was not scored (status {status})."
            raise StoreError(msg)
        return row


class _KnownMap(NamedTuple):
    """A map that was read before: its file, where it lies there, and all but its cells."""

    path: Path
    chunk: Chunk
    map: _Map


class _Map(NamedTuple):
    """Cells of an image, its size in pixels, and pixels a cell."""

    cells: NDArray[Any]
    height: int
    width: int
    stride: int


def _plain(schema: dict[str, Column]) -> list[str]:
    """List the columns with one value a row."""
    return [name for name, column in schema.items() if not column.per_class]


def _known(
    names: Sequence[str] | None, known: Collection[str], *, what: str = "column"
) -> Sequence[str]:
    """Refuse names of what is not there; all by default."""
    for name in names or ():
        if name not in known:
            msg = f"there is no {what} '{name}': name some of {', '.join(known) or 'none'}."
            raise UsageError(msg)
    return list(known) if names is None else names


def _to_frame(columns: dict[str, Any]) -> pd.DataFrame:
    """Show columns as a data frame."""
    import pandas as pd  # takes longer to import than most score files to read

    return pd.DataFrame(
        {n: v if isinstance(v, np.ndarray) else v.to_pylist() for n, v in columns.items()}
    )
