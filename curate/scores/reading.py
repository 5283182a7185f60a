"""Loading the image table of one HDF5 file into memory, for adding to it."""

from __future__ import annotations

import h5py

from curate.errors import StoreError
from curate.scores.columns import Columns, check_columns, num_rows
from curate.scores.h5_read import find, read_table, reading
from curate.scores.ids import check_ids
from curate.scores.schema import IMAGES, Schema


def load_file_images(file: h5py.File, schema: Schema) -> Columns:
    """Load and check the image table of one HDF5 file."""
    with reading(file.filename):
        images = read_table(find(file, IMAGES, h5py.Group), schema.images)
    return _checked_images(images, schema, where=file.filename)


def _checked_images(images: Columns, schema: Schema, *, where: str) -> Columns:
    """Refuse an image table that contradicts itself."""
    check_columns(images, schema.images, where=where)
    ids = images["id"]
    check_ids(ids)
    if len(set(ids)) < len(ids):
        msg = f"{where}: an image id occurs twice. Score the data set again."
        raise StoreError(msg)
    if num_rows(images) and min(images["height"].min(), images["width"].min()) < 0:
        msg = f"{where}: an image has a negative size. Score the data set again."
        raise StoreError(msg)
    return images
