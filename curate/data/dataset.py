"""A data set that is ready to be read: its pairs, and what its labels mean."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from curate import errors, records, remote
from curate.data import idmap_files, legends, ranges, shards
from curate.data.classes import resolve_classes
from curate.data.layouts import detection, listing, patterns, splits, suggestions
from curate.data.layouts.layout import Layout
from curate.dataset_config import DatasetConfig, ReadingConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from curate.data.idmaps import IdMap


PATTERN: Final = "pattern"
"""Name of the layout of a data set that is read by patterns of the user's own."""


@dataclass(frozen=True)
class DataSource:
    """A data set, listed but not read.

    Attributes
    ----------
    root : Path
        Its folder.
    layout : str
        Key of `LAYOUTS`, or ``pattern``.
    id_map : IdMap
        From the ids in its labels to indices of `classes`.
    classes : ClassSet
    pairs : tuple of Pair
        All its images, sorted by id, those with a problem included.
    key : str
        ``r0, r1, ..`` for real and ``s0, s1, ..`` for synthetic data sets.
    value_range : (float, float) or None
        What becomes black and white in images of more than 8 bits; None = all that they can hold.
    listed : Listing
        What else was found: labels without an image, other files, splits without labels.
    reading : ReadingConfig
        What was said of how it is read.
    """

    root: Path
    layout: str
    id_map: IdMap
    classes: records.ClassSet
    pairs: tuple[records.Pair, ...]
    key: str
    value_range: tuple[float, float] | None = None
    listed: listing.Listing = listing.NOTHING
    reading: ReadingConfig = field(default_factory=ReadingConfig)

    @property
    def name(self) -> str:
        """Return what it is called, by default its last folder."""
        about = self.reading
        named = about if isinstance(about, DatasetConfig) else DatasetConfig(path=self.root)
        return named.called

    @property
    def is_map_assumed(self) -> bool:
        """Whether ids are taken for class indices because nothing says what they are."""
        is_read = self.id_map.name in (*legends.LEGENDS, legends.FRAMES)
        return not (self.reading.id_map or self.listed.id_map or is_read)

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
        return hash_files(paths, lambda path: shards.size_of(self.root / path))


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
    dataset: DatasetConfig | Path,
    *,
    classes: records.ClassSet,
    key: str = "d0",
    layout: str | None = None,
    id_map: str | None = None,
) -> DataSource:
    """List a data set and find out what its labels mean.

    Parameters
    ----------
    dataset : DatasetConfig or Path
        Its folder, or all that is said of how it is read.
    layout : str or None
        Key of `LAYOUTS`, or ``auto``; overrides `dataset`.
    id_map : str or None
        Built-in id map or path of a TOML file; overrides `dataset`.

    Raises
    ------
    DataError
        If the folder is missing, unreadable or empty, has no known layout, or holds no images,
        no labels or none of the split that is asked for.
    ConfigError
        If layout, id map or patterns are not known or not right, or the id map has none of
        `classes`.
    """
    if not isinstance(dataset, DatasetConfig):
        dataset = DatasetConfig(path=dataset)
    given = {"layout": layout, "id_map": id_map}
    dataset = dataset.model_copy(update={name: what for name, what in given.items() if what})
    path = dataset.root
    _check_folder(path)
    name, found = find_layout(dataset)
    listed = listing.list_pairs(path, found, dataset.id_map, dataset.only)
    if not listed.pairs:
        raise _no_images_error(path, name, found, listed)
    if not any(pair.label_path for pair in listed.pairs):
        raise _no_labels_error(path, name, found, listed)
    resolved = None
    if dataset.id_map is None and (listed.id_map is None or (path / legends.LABELMAP).is_file()):
        resolved = legends.find_legend(path, classes)
    if resolved is None and name.startswith("replicator") and dataset.id_map is None:
        label_paths = [pair.label_path for pair in listed.pairs if pair.label_path]
        resolved = legends.find_frame_legend(path, label_paths, classes)
    if resolved is None:
        resolved = idmap_files.resolve_id_map(dataset.id_map, classes, default=listed.id_map)
    pairs = splits.take_split(path, listed, dataset.split)
    value_range = ranges.resolve_range(dataset.range, path, pairs)
    return DataSource(path, name, resolved, classes, pairs, key, value_range, listed, dataset)


def find_layout(dataset: DatasetConfig) -> tuple[str, Layout]:
    """Tell how the files of a data set are arranged.

    Returns
    -------
    name : str
        Key of `LAYOUTS`, or ``pattern`` where patterns are given, ``folder`` where folders are.
    layout : Layout

    Raises
    ------
    DataError, ConfigError
        As `open_dataset`.
    """
    if dataset.image is not None or dataset.label is not None:
        patterns.check_patterns(dataset.image, dataset.label)
    if dataset.image is not None and dataset.label is not None:
        return PATTERN, Layout(dataset.image, {dataset.label: None}, is_given=True)
    if dataset.images is not None:
        labels = {f"{dataset.labels_dir}/{{}}": None}
        return "folder", Layout(f"{dataset.images}/{{}}", labels)
    name = dataset.layout
    if name == "auto":
        _check_folder(dataset.root)
        name = detection.detect_layout(dataset.root, dataset.only)
    return name, detection.get_layout(name)


def default_classes(dataset: DatasetConfig | Path) -> records.ClassSet | None:
    """Return the class set that goes with the layout of a data set, None if it has none.

    Raises
    ------
    DataError, ConfigError
        If the layout is to be recognised and cannot be, or is not known.
    """
    if not isinstance(dataset, DatasetConfig):
        dataset = DatasetConfig(path=dataset)
    class_set = find_layout(dataset)[1].class_set
    return None if class_set is None else resolve_classes(class_set)


def own_classes(dataset: DatasetConfig) -> records.ClassSet | None:
    """Return the classes that a data set is labelled in: of its layout, or of its id map.

    Returns
    -------
    classes : ClassSet or None
        None where neither tells them.

    Raises
    ------
    DataError, ConfigError
        If the layout is to be recognised and cannot be, or layout or id map are not known.
    """
    layout = find_layout(dataset)[1]
    if layout.class_set is not None:
        return resolve_classes(layout.class_set)
    id_map = dataset.id_map or listing.list_pairs(dataset.root, layout, None, dataset.only).id_map
    return idmap_files.classes_of(id_map)


def _no_images_error(
    path: Path, name: str, layout: Layout, listed: listing.Listing
) -> errors.DataError:
    """Make the error for a data set without images."""
    others = ", ".join(f".{suffix} {count:,}" for suffix, count in listed.others.items())
    seen = f" Other files there: {others}." if others else ""
    msg = (
        f"{path} holds no images: layout '{name}' keeps them in {layout.describe()}; "
        f"{', '.join(f'.{s}' for s in layout.image_pattern.suffixes)} files are read.{seen} "
        f"{suggestions.suggest(path, detection.take_sample(path))}"
    )
    return errors.DataError(msg, code="no_images")


def _no_labels_error(
    path: Path, name: str, layout: Layout, listed: listing.Listing
) -> errors.DataError:
    """Make the error for a data set of which no image has a label."""
    first = listed.pairs[0].image_path
    there = f"There are {listed.num_labels:,} labels of such names"
    if listed.lone_labels:
        there += f", the first {listed.lone_labels[0]}"
    msg = (
        f"None of the {len(listed.pairs):,} images of {path} has a label: layout '{name}' keeps "
        f"them in {layout.describe()}. {there}; the first image is {first}. "
        f"{suggestions.suggest(path, detection.take_sample(path))}"
    )
    return errors.DataError(msg, code="no_labels")


def _check_folder(path: Path) -> None:
    """Refuse what is no folder that can be read and has something in it."""
    if isinstance(path, remote.RemotePath):
        if not path.list_below():
            msg = f"{path} holds nothing, or does not exist. Give the URL of a data set's folder."
            raise errors.DataError(msg, code="no_images")
        return
    if not os.path.isdir(path):  # noqa: PTH112  a name that is too long is no error here
        what = "is a file" if os.path.exists(path) else "does not exist"  # noqa: PTH110
        msg = f"{path} {what}. {_name_alike(path)}Give the folder of a data set."
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


def _name_alike(path: Path) -> str:
    """Tell of a folder beside a missing one whose name only looks the same."""
    wanted = unicodedata.normalize("NFC", path.name)
    try:
        names = os.listdir(path.parent)  # noqa: PTH208
    except OSError:
        return ""
    alike = [n for n in names if n != path.name and unicodedata.normalize("NFC", n) == wanted]
    if not alike:
        return ""
    return (
        f"Beside it is {alike[0]!a}, which looks the same but is spelled with other Unicode "
        f"characters ({path.name!a} was given). "
    )
