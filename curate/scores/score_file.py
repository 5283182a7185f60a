"""Reading a score file."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from curate.errors import StoreError, UsageError
from curate.remote import as_path
from curate.scores import alignment, arrow, h5_read, maps, schema, tables_arrow, targets
from curate.scores.provenance import parse_provenance, refuse_mixing, schema_of
from curate.scores.tables import Part, Tables

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray


class ScoreFile:
    """Scores of a data set: one HDF5 file, a folder of them, or the two Parquet tables.

    Opening it reads and checks the header only. It can be pickled, and used in several processes:
    each opens the file for itself. Tables and maps are read when they are first asked for.

    Links inside an HDF5 file are never followed. A shard of a folder may be a symbolic link, say to
    another disk: it is read like any other, and has to be a score file of the same provenance.

    Parameters
    ----------
    path : Path
        ``weights.h5``, ``weights.parquet`` (the tables beside it alone), or a folder of shards
        (of which the Parquet tables alone may be there).

    Attributes
    ----------
    target : Target
    parts : list of Part
        The files that it is made of.
    header : Header
        Of the first of them.
    schema : Schema
        What it holds.
    about : Provenance
    class_names : tuple of str
        The index of a name is its class index.

    Raises
    ------
    StoreError
        Here or on any later access, if the file is missing, truncated, foreign, of another format
        version, or made of files whose provenance differs.
    """

    def __init__(self, path: Path) -> None:
        self.path = targets.fetch(path)
        self.target = targets.resolve_target(self.path)
        files = [self.path] if self.target.kind is targets.Kind.H5 else self.target.h5_files()
        self.parts: list[Part] = [h5_read.H5Part(file) for file in files]
        if not files:
            self.parts = [tables_arrow.TablePart(each) for each in self.target.tables()]
        if not self.parts:
            msg = f"{path} holds no scores. Name a score file that 'curate score' wrote."
            raise StoreError(msg)
        headers = [part.header() for part in self.parts]
        self.header = headers[0]
        for header in headers[1:]:
            refuse_mixing(
                header.provenance,
                self.provenance,
                where=f"A part of {self.path}",
                advice="Score all parts with the same settings.",
            )
        self.about = about = parse_provenance(self.provenance, where=str(self.path))
        self.schema = schema_of(self.provenance, where=str(self.path))
        for part in self.parts:
            part.schema, part.stride = self.schema, about.stride
            if "region" in about.levels and not part.has_regions():
                msg = f"{part.path} lacks its table of regions. Score the data set again."
                raise StoreError(msg)
        self.class_names = about.classes.names
        self._pid = os.getpid()

    @property
    def provenance(self) -> dict[str, Any]:
        """Return run, data set, classes, ..: what must be equal before files are mixed."""
        return self.header.provenance

    @property
    def dataset_root(self) -> Path:
        """Return where the data set was when it was scored."""
        return as_path(self.header.dataset_root)

    @property
    def has_maps(self) -> bool:
        """Tell whether there are maps of pixels and regions, not only tables."""
        return isinstance(self.parts[0], h5_read.H5Part)

    @property
    def streams(self) -> tuple[str, ...]:
        """Name the kinds of evidence that were scored apart: columns ``stream_<name>``.

        A stream that is inactive in this run is NaN everywhere.
        """
        return self.schema.streams

    @property
    def has_stream_maps(self) -> bool:
        """Tell whether there are maps of each active stream."""
        return self.has_maps and bool(self.schema.stream_groups)

    @cached_property
    def tables(self) -> Tables:
        """Return both tables, column by column, unread."""
        return Tables(self.parts, str(self.path), num_classes=len(self.class_names))

    @cached_property
    def images(self) -> pd.DataFrame:
        """Return one row an image, sorted by id; see `class_px` for values by class."""
        return _to_frame(self.images_arrow(_plain(self.schema.columns(schema.IMAGES))))

    @cached_property
    def regions(self) -> pd.DataFrame:
        """Return one row a region; ``image`` is its row in `images`. Empty without regions."""
        return _to_frame(self.regions_arrow())

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
        names = columns or self.schema.columns(schema.IMAGES)
        return tables_arrow.to_table({name: self.image_column(name) for name in names})

    def regions_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return what `regions` holds; see `images_arrow`."""
        names = columns or self.schema.columns(schema.REGIONS)
        return tables_arrow.to_table({name: self.region_column(name) for name in names})

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
        _check_known(name, self.schema.columns(schema.IMAGES), "column")
        return self.tables.images(name)

    def region_column(self, name: str) -> Any:  # noqa: ANN401
        """Return one column of the region table; see `image_column`."""
        _check_known(name, self.schema.columns(schema.REGIONS), "column")
        return self.tables.regions(name)

    @property
    def num_images(self) -> int:
        """Return the number of images."""
        return sum(self.tables.counts)

    @property
    def is_ok(self) -> NDArray[np.bool_]:
        """Tell which images were scored, (N,)."""
        return self.tables.is_ok

    def scored_ids(self) -> list[str]:
        """List the ids of the images that were scored."""
        ids: list[str] = self.tables.images("id").filter(arrow.to_arrow(self.is_ok)).to_pylist()
        return ids

    @property
    def class_px(self) -> NDArray[np.int64]:
        """Return the valid pixels of each class in each image, (N, C)."""
        return np.asarray(self.tables.images("class_px"))

    @property
    def class_score(self) -> NDArray[np.float32]:
        """Return the mean score of each class in each image, (N, C); NaN where it is absent."""
        return np.asarray(self.tables.images("class_score"))

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
            of streams were not kept, or the stream is inactive.
        """
        return self._maps.read(self._group_of(stream), image_id).cells.copy()

    def pixel_levels(self, image_id: str, *, of: str = "score") -> NDArray[np.uint8]:
        """Return a map as it is stored: ``score``, ``weight`` or a stream, 255 the highest.

        Levels of weights mean the same in all files of one weight rule, whatever their means.
        """
        if of != "weight":
            return self.pixel_scores(image_id, stream=None if of == "score" else of)
        return self._maps.read(schema.PIXEL_WEIGHTS, image_id).cells.copy()

    def pixel_weights(self, image_id: str) -> NDArray[np.float32]:
        """Return the weight of each cell of an image, in the shape of `pixel_scores`."""
        found = self._maps.read(schema.PIXEL_WEIGHTS, image_id)
        return found.cells * np.float32(found.scale / 255)

    def region_ids(self, image_id: str) -> NDArray[np.uint16] | NDArray[np.uint32]:
        """Return the region of each cell of an image, in the shape of `pixel_scores`."""
        return self._maps.read(schema.REGION_IDS, image_id).cells.copy()

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
            In [0, 1]; `curate.scores.alignment.align_scores` has the geometry to the last digit.

        Raises
        ------
        UsageError
            If the crop reaches beyond the image, there is no such stream, or another argument
            makes no sense.
        StoreError
            As `pixel_scores`.
        """
        return alignment.align_scores(
            *self._maps.read(self._group_of(stream), image_id),
            size=size,
            crop=crop,
            hflip=hflip,
            resize=resize,
        )

    def weight_map(self, image_id: str, **options: Any) -> NDArray[np.float32]:  # noqa: ANN401
        """Return the weight of each pixel: from 0, mean 1 over the data set.

        Options are those of `score_map` but for `stream`.
        """
        return alignment.align_scores(*self._maps.read(schema.PIXEL_WEIGHTS, image_id), **options)

    def label_map(self, image_id: str, *, root: Path | None = None, **how: Any) -> Any:  # noqa: ANN401
        """Return the class index of each pixel of an image, 255 where it is ignored.

        Parameters
        ----------
        root : Path, optional
            Where the data set is now, if it was moved.
        **how
            ``size``, ``crop`` and ``hflip`` as of `score_map`; labels are never interpolated.

        Returns
        -------
        label_map : size, uint8

        Raises
        ------
        DataError
            If the label cannot be read, or has another size than when it was scored.
        StoreError
            As `score_map`; also if the file does not say how labels are read.
        """
        row, about = self._maps.scored_row(image_id), self.about.origin_of(image_id)
        size = tuple(int(self.image_column(name)[row]) for name in ("height", "width"))
        relative = self.image_column("label_path")[row].as_py()
        folder = as_path(root or self.dataset_root)
        found = maps.read_label_map(folder, relative, size, about.id_map, where=str(self.path))
        return alignment.align_labels(found, **how)

    def __len__(self) -> int:
        """Return the number of images, those without a score included."""
        return self.num_images

    def __repr__(self) -> str:
        return (
            f"<ScoreFile {self.path}: {len(self):,} images of "
            f"{self.about.dataset.name or self.dataset_root.name}, "
            f"{len(self.class_names)} classes, {self.provenance.get('method', 'unknown method')}>"
        )

    def close(self) -> None:
        """Close the file and forget what was read; it opens again when needed."""
        for name in ("tables", "_map_reader", "images", "regions"):
            self.__dict__.pop(name, None)
        for part in self.parts:
            part.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        return type(self), (self.path,)

    @cached_property
    def _map_reader(self) -> maps.MapReader:
        """Return what reads maps."""
        return maps.MapReader(self.parts, self.tables, self.schema, str(self.path))

    @property
    def _maps(self) -> maps.MapReader:
        """Return what reads maps, of this process."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self.__dict__.pop("_map_reader", None)
        return self._map_reader

    def _group_of(self, stream: str | None) -> str:
        """Name the group of the maps of a stream, or of the combined score."""
        if stream is None:
            return schema.PIXEL_SCORES
        _check_known(stream, self.streams, "stream")
        if not self.has_stream_maps:
            msg = (
                f"{self.path} was scored without maps of streams. Score again with --stream-maps "
                "into an .h5 file."
            )
            raise StoreError(msg)
        return schema.stream_group(stream)


def _plain(columns: dict[str, schema.Column]) -> list[str]:
    """List the columns with one value a row."""
    return [name for name, column in columns.items() if not column.per_class]


def _check_known(name: str, known: Collection[str], what: str) -> None:
    """Refuse the name of what is not there."""
    if name not in known:
        msg = f"there is no {what} '{name}': name some of {', '.join(known) or 'none'}."
        raise UsageError(msg)


def _to_frame(table: pa.Table) -> pd.DataFrame:
    """Show columns as a data frame, whose strings are Python's."""
    import pandas as pd  # takes longer to import than most score files to read

    return pd.DataFrame({n: table[n].to_numpy() for n in table.column_names})
