"""The scored data set, as far as an export needs it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.data import DataSource, IdMap, read_label_ids
from curate.downstream import join_inside
from curate.errors import DataError
from curate.records import OK, ClassSet, Pair
from curate.selection import expand_cells
from curate.store import Provenance, ScoreFile, parse_provenance
from curate.workflows.subset_labels import restore_id_map

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

_NUM_NAMED: Final = 3


@dataclass(frozen=True)
class SubsetSource:
    """A score file together with its data set.

    Attributes
    ----------
    scores : ScoreFile
    root : Path
        Where the data set is now.
    """

    scores: ScoreFile
    root: Path

    @cached_property
    def images(self) -> pd.DataFrame:
        """Return the image table."""
        return self.scores.images

    @cached_property
    def is_ok(self) -> NDArray[np.bool_]:
        """Tell which images were scored, (N,)."""
        return np.asarray(self.images["status"] == OK)

    @cached_property
    def provenance(self) -> Provenance:
        """Return where the scores come from, checked."""
        return parse_provenance(self.scores.provenance, where=str(self.scores.path))

    @cached_property
    def id_map(self) -> IdMap:
        """Return the id map that the labels were read with."""
        return restore_id_map(self.provenance.id_map, where=str(self.scores.path))

    def column(self, name: str) -> NDArray[np.float64]:
        """Return a column of scores, NaN for images that were not scored."""
        return np.where(self.is_ok, self.images[name].to_numpy(np.float64), np.nan)

    def id_of(self, row: int) -> str:
        """Return the id of an image."""
        return str(self.images["id"].iloc[row])

    def image_file(self, row: int) -> Path:
        """Return the path of an image."""
        return join_inside(self.root, str(self.images["image_path"].iloc[row]))

    def label_file(self, row: int) -> Path:
        """Return the path of a label."""
        return join_inside(self.root, str(self.images["label_path"].iloc[row]))

    def read_label_map(self, path: Path) -> NDArray[np.uint8]:
        """Read a label file as class indices, (H, W) uint8, 255 = ignore."""
        return self.id_map.apply(read_label_ids(path, self.id_map))

    def read_label_of(self, row: int) -> NDArray[np.uint8]:
        """Read the label of an image, and make sure that its size is the one that was scored.

        Raises
        ------
        DataError
            If the size changed.
        """
        path = self.label_file(row)
        label_map = self.read_label_map(path)
        if label_map.shape != self.size_of(row):
            msg = (
                f"{path} has {label_map.shape[0]}x{label_map.shape[1]} pixels, but had "
                f"{'x'.join(map(str, self.size_of(row)))} when it was scored. Score it again."
            )
            raise DataError(msg, code="size_mismatch")
        return label_map

    def size_of(self, row: int) -> tuple[int, int]:
        """Return the original height and width of an image."""
        return int(self.images["height"].iloc[row]), int(self.images["width"].iloc[row])

    def to_pixels(self, cells: NDArray[np.generic], row: int) -> NDArray[np.generic]:
        """Repeat the cells of a map over the pixels of the original image."""
        height, width = self.size_of(row)
        return expand_cells(cells, height, width, self.provenance.stride)

    def is_changed(self) -> bool:
        """Tell whether files were removed or resized since the data set was scored.

        Raises
        ------
        StoreError
            If a path leads out of the data set.
        """
        then = self.scores.provenance.get("dataset")
        if not isinstance(then, dict) or then.get("images") != len(self.images):
            return False  # a part of a data set has no fingerprint to compare
        columns = [self.images[name].astype(str) for name in ("id", "image_path", "label_path")]
        pairs = tuple(Pair(*paths) for paths in zip(*columns, strict=True))
        for pair in pairs:
            for path in filter(None, (pair.image_path, pair.label_path)):
                join_inside(self.root, path)
        listed = DataSource(self.root, "", IdMap("", {}), ClassSet("", ()), pairs, "")
        return then.get("fingerprint") not in {None, listed.fingerprint()}

    def check_files(self, rows: Iterable[int]) -> int:
        """Make sure that images and labels are there; return their size in bytes.

        Raises
        ------
        DataError
            Counting the missing files and naming the first.
        StoreError
            If a path leads out of the data set.
        """
        if not self.root.is_dir():
            msg = (
                f"the data set is not at {self.root}. Name the folder where it is now with "
                "--dataset."
            )
            raise DataError(msg, code="no_folder")
        missing, total, num_files = [], 0, 0
        for row in rows:
            for path in (self.image_file(row), self.label_file(row)):
                num_files += 1
                size = _size(path)
                if size is None:
                    missing.append(path)
                else:
                    total += size
        if missing:
            first = ", ".join(map(str, missing[:_NUM_NAMED]))
            more = ", ..." if len(missing) > _NUM_NAMED else ""
            msg = (
                f"{len(missing)} of the {num_files} files to export are missing: {first}{more}. "
                "Restore them, name the folder where the data set is now with --dataset, or score "
                "it again."
            )
            raise DataError(msg, code="missing_files")
        return total


def _size(path: Path) -> int | None:
    """Return the size of a regular file in bytes, None if there is none."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
