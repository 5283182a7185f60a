"""A data set that is ready to be read: its pairs, and what its labels mean."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from curate import errors, records
from curate.data import idmap_files, layouts, listing
from curate.data.classes import resolve_classes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from curate.data.idmaps import IdMap


@dataclass(frozen=True)
class DataSource:
    """A data set, listed but not read.

    Attributes
    ----------
    root : Path
        Its folder.
    layout : str
        Key of `LAYOUTS`.
    id_map : IdMap
        From the ids in its labels to indices of `classes`.
    classes : ClassSet
    pairs : tuple of Pair
        All its images, sorted by id, those with a problem included.
    key : str
        ``r0, r1, ..`` for real and ``s0, s1, ..`` for synthetic data sets.
    """

    root: Path
    layout: str
    id_map: IdMap
    classes: records.ClassSet
    pairs: tuple[records.Pair, ...]
    key: str

    def key_of(self, pair: records.Pair) -> str:
        """Return what `Batch.keys` calls an image of this data set."""
        return f"{self.key}:{pair.id}"

    def fingerprint(self) -> str:
        """Hash paths and sizes of all images and labels; dates and contents do not count.

        Returns
        -------
        digest : str
            64 hexadecimal digits; a file that is missing counts as size -1.
        """
        paths = {path for pair in self.pairs for path in (pair.image_path, pair.label_path) if path}
        return hash_files(paths, lambda path: _size(self.root / path))


def hash_files(paths: Collection[str], size_of: Callable[[str], int]) -> str:
    """Hash the paths of a data set and their sizes; see `DataSource.fingerprint`.

    Parameters
    ----------
    paths : collection of str
        Each once, in any order.
    size_of : callable
        Tells the size in bytes, -1 for a missing file.
    """
    lines = [f"{path}\0{size_of(path)}\n" for path in sorted(paths)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def open_dataset(
    path: Path,
    *,
    layout: str = "auto",
    id_map: str | None = None,
    classes: records.ClassSet,
    key: str = "d0",
) -> DataSource:
    """List a data set and find out what its labels mean.

    Parameters
    ----------
    layout : str
        Key of `LAYOUTS`, or ``auto`` to recognise it.
    id_map : str or None
        Built-in id map or path of a TOML file; None = the one that belongs to the layout.

    Raises
    ------
    DataError
        If the folder is missing, unreadable or empty, has no known layout, or holds no images
        or no labels.
    ConfigError
        If `layout` or `id_map` is not known, or the id map has none of `classes`.
    """
    _check_folder(path)
    name = layouts.detect_layout(path) if layout == "auto" else layout
    found = layouts.get_layout(name)
    if not found.find_folders(path):
        msg = (
            f"{path} does not have layout '{name}': looked for {found.describe()}; "
            f"{found.examine(path)[1]}. Choose another --layout, or 'auto' to have it recognised."
        )
        raise errors.DataError(msg, code="unknown_layout")
    listed = listing.list_pairs(path, found)
    if not listed.pairs:
        msg = (
            f"{path} holds no images: layout '{name}' keeps them in {found.folders[0]}/, as "
            f".png, .jpg or .jpeg files whose names end in '{found.image_ending}'. Put some there."
        )
        raise errors.DataError(msg, code="no_images")
    if not any(pair.label_path for pair in listed.pairs):
        msg = (
            f"None of the {len(listed.pairs):,} images of {path} has a label: layout "
            f"'{name}' keeps them in {found.folders[1]}/, as .png files named like their images. "
            f"There are {listed.num_labels:,}; the first image is {listed.pairs[0].image_path}."
        )
        raise errors.DataError(msg, code="no_labels")
    resolved = idmap_files.resolve_id_map(id_map, classes, default=listed.id_map)
    return DataSource(path, name, resolved, classes, listed.pairs, key)


def default_classes(path: Path, layout: str = "auto") -> records.ClassSet | None:
    """Return the class set that goes with a layout, None if it has none of its own.

    Raises
    ------
    DataError
        If the layout of `path` is to be recognised and cannot be.
    ConfigError
        If `layout` is not known.
    """
    if layout == "auto":
        _check_folder(path)
    name = layouts.detect_layout(path) if layout == "auto" else layout
    class_set = layouts.get_layout(name).class_set
    return None if class_set is None else resolve_classes(class_set)


def _check_folder(path: Path) -> None:
    """Refuse what is no folder that can be read and has something in it."""
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        msg = f"{path} {what}. Give the folder of a data set."
        raise errors.DataError(msg, code="no_folder")
    try:
        with os.scandir(path) as entries:
            is_empty = next(entries, None) is None
    except OSError as error:
        msg = f"{path} cannot be opened: {error.strerror}. Make it readable, or choose another."
        raise errors.DataError(msg, code="unreadable_folder") from error
    if is_empty:
        msg = f"{path} is empty. Give the folder of a data set, with images and labels."
        raise errors.DataError(msg, code="no_images")


def _size(path: Path) -> int:
    """Return the size of a file in bytes, -1 if it is missing."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
