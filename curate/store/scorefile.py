"""Reading a score file."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np

from curate.errors import StoreError
from curate.records import OK
from curate.store.columns import Columns, to_frame
from curate.store.hdf5 import find, open_h5, reading
from curate.store.headers import read_h5_header, read_table_headers
from curate.store.loading import Loaded, load_h5, load_tables
from curate.store.provenance import refuse_mixing
from curate.store.schema import (
    ATTR_STRIDE,
    IMAGE_COLUMNS,
    PIXEL_SCORES,
    REGION_COLUMNS,
    REGION_IDS,
    map_shape,
)
from curate.store.targets import Kind, resolve_target

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


class ScoreFile:
    """Scores of a data set: one HDF5 file, a folder of them, or the two Parquet tables.

    Opening it reads and checks the header only. It can be pickled, and used in several processes:
    each opens the file for itself.

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
        self._pid = os.getpid()
        if self.target.kind is Kind.SHARDS and not self._files:
            msg = f"{path} holds no *.h5 file. Name a score file that 'curate score' wrote."
            raise StoreError(msg)
        if self.target.kind is Kind.H5:
            self._files = [self.path]
        self.provenance, self.dataset_root = self._read_headers()

    @property
    def has_maps(self) -> bool:
        """Tell whether there are maps of pixels and regions, not only tables."""
        return bool(self._files)

    @cached_property
    def images(self) -> pd.DataFrame:
        """Return one row an image, sorted by id; see `class_px` for values by class."""
        return to_frame(self._loaded.images, IMAGE_COLUMNS)

    @cached_property
    def regions(self) -> pd.DataFrame:
        """Return one row a region; ``image`` is its row in `images`. Empty without regions."""
        return to_frame(self._loaded.load_regions(), REGION_COLUMNS)

    @property
    def class_px(self) -> NDArray[np.int64]:
        """Return the valid pixels of each class in each image, (N, C)."""
        return self._loaded.images["class_px"]

    @property
    def class_score(self) -> NDArray[np.float64]:
        """Return the mean score of each class in each image, (N, C); NaN where it is absent."""
        return self._loaded.images["class_score"]

    def pixel_scores(self, image_id: str) -> NDArray[np.uint8]:
        """Return the combined score times 255 of each cell of an image.

        Returns
        -------
        pixel_scores : (ceil(H/s), ceil(W/s)) uint8

        Raises
        ------
        StoreError
            If the image is unknown or was not scored, or the map is not what it should be.
        """
        return self._read_map(PIXEL_SCORES, image_id, ("uint8",))

    def region_ids(self, image_id: str) -> NDArray[np.uint16] | NDArray[np.uint32]:
        """Return the region of each cell of an image, in the shape of `pixel_scores`."""
        return self._read_map(REGION_IDS, image_id, ("uint16", "uint32"))

    def close(self) -> None:
        """Close the file; it opens again when needed."""
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
    def _loaded(self) -> Loaded:
        """Load the image table."""
        if self._files:
            return load_h5(self._files, self._handle)
        return load_tables(self.target)

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Map the id of each image to its row."""
        return {image_id: row for row, image_id in enumerate(self._loaded.images["id"])}

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

    def _read_map(self, group: str, image_id: str, dtypes: tuple[str, ...]) -> NDArray[Any]:
        """Read a map and check that it fits the image."""
        row = self._scored_row(image_id)
        images: Columns = self._loaded.images
        if not self._files:
            msg = f"{self.path} holds tables only, no {group}. Score again with --out NAME.h5."
            raise StoreError(msg)
        path = self._files[self._loaded.file_of[row]]
        with reading(path):
            node = find(self._handle(path), f"{group}/{image_id}", h5py.Dataset)
            stride = node.attrs.get(ATTR_STRIDE, 0)
            height, width = int(images["height"][row]), int(images["width"][row])
            if stride < 1 or node.shape != map_shape(height, width, int(stride)):
                msg = (
                    f"{path}: {group}/{image_id} has shape {node.shape} at stride {stride}, which "
                    f"does not fit an image of {height}x{width}. Score the data set again."
                )
                raise StoreError(msg)
            if node.dtype.name not in dtypes:
                msg = f"{path}: {group}/{image_id} is {node.dtype}, not {' or '.join(dtypes)}."
                raise StoreError(msg)
            return np.asarray(node[...])

    def _scored_row(self, image_id: str) -> int:
        """Return the row of an image that has scores."""
        if image_id not in self._rows:
            msg = f"{self.path} knows no image '{image_id}'. See its image table for the ids."
            raise StoreError(msg)
        row = self._rows[image_id]
        status = self._loaded.images["status"][row]
        if status != OK:
            msg = f"{self.path}: image '{image_id}' was not scored (status {status})."
            raise StoreError(msg)
        return row
