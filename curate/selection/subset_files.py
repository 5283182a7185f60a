"""The files of a scored data set, as far as an export touches them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final, NamedTuple

import pyarrow.compute as pc

from curate.data.dataset import hash_files
from curate.errors import DataError
from curate.scores.arrow import from_arrow, to_arrow
from curate.selection.paths import join_inside

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from curate.selection.source import SubsetSource

_NUM_NAMED: Final = 3
_HOSTILE: Final = r"^$|(^|/)\.{0,2}(/|$)|\x00"


class Files(NamedTuple):
    """What was found of a data set.

    Attributes
    ----------
    bytes : int
        Size of the files that were asked for.
    is_changed : bool
        Whether files were removed or resized since the data set was scored.
    """

    bytes: int
    is_changed: bool


def check_paths(source: SubsetSource) -> None:
    """Refuse a score file with a path that leads out of the data set.

    Raises
    ------
    StoreError
        Naming the first.
    """
    for name in ("image_path", "label_path"):
        paths = source.texts(name)
        is_given = from_arrow(pc.binary_length(paths)) > 0
        is_needed = to_arrow(is_given | source.is_ok)  # what failed may have no label
        suspects = paths.filter(pc.and_(is_needed, pc.match_substring_regex(paths, _HOSTILE)))
        for path in suspects.to_pylist():
            join_inside(source.root, path)
        if os.sep != "/":
            for path in paths.filter(is_needed).to_pylist():
                join_inside(source.root, path)


def check_files(source: SubsetSource, rows: NDArray[np.int64], columns: Iterable[str]) -> Files:
    """Make sure that files of some images are there; each file is looked at once.

    Parameters
    ----------
    rows : (K,) int64
        Rows of the images.
    columns : iterable of str
        ``image_path`` and ``label_path``, or one of them.

    Raises
    ------
    DataError
        Counting the missing files and naming the first.
    """
    if not source.root.is_dir():
        msg = (
            f"the data set is not at {source.root}. Name the folder where it is now with --dataset."
        )
        raise DataError(msg, code="no_folder")
    by_column = [source.texts(name).take(to_arrow(rows)).to_pylist() for name in columns]
    wanted = [path for paths in zip(*by_column, strict=True) for path in paths]
    found = _Found(source.root)
    is_changed = _has_changed(source, found)
    missing = [path for path in wanted if not found.is_file(path)]
    if missing:
        first = ", ".join(str(source.root / path) for path in missing[:_NUM_NAMED])
        more = ", ..." if len(missing) > _NUM_NAMED else ""
        msg = (
            f"{len(missing)} of the {len(wanted)} files to export are missing: {first}{more}. "
            "Restore them, name the folder where the data set is now with --dataset, or score "
            "it again."
        )
        raise DataError(msg, code="missing_files")
    return Files(sum(map(found.size, wanted)), is_changed)


class _Found:
    """Size and kind of each file, looked up once."""

    def __init__(self, root: Path) -> None:
        self._root = f"{root}{os.sep}"
        self._sizes: dict[str, int] = {}
        self._irregular: set[str] = set()

    def size(self, path: str) -> int:
        """Return the size in bytes, -1 if there is nothing."""
        size = self._sizes.get(path)
        if size is None:
            size = self._sizes[path] = self._look_at(path)
        return size

    def is_file(self, path: str) -> bool:
        """Tell whether there is a regular file."""
        return self.size(path) >= 0 and path not in self._irregular

    def _look_at(self, path: str) -> int:
        """Ask the disk."""
        try:
            status = os.stat(self._root + path)  # noqa: PTH116
        except OSError:
            return -1
        if not stat.S_ISREG(status.st_mode):
            self._irregular.add(path)
        return status.st_size


def _has_changed(source: SubsetSource, found: _Found) -> bool:
    """Tell whether files were removed or resized since the data set was scored."""
    then = source.scores.provenance.get("dataset")
    if not isinstance(then, dict) or then.get("images") != source.num_images:
        return False  # a part of a data set has no fingerprint to compare
    if then.get("fingerprint") is None:
        return False
    paths = {
        path
        for name in ("image_path", "label_path")
        for path in source.texts(name).to_pylist()
        if path
    }
    return bool(then["fingerprint"] != hash_files(paths, found.size))
