"""The scored data set, as far as an export needs it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curate.errors import DataError
from curate.records import SCORE_NAMES
from curate.scores.provenance import Provenance, parse_provenance
from curate.scores.schema import stream_column
from curate.selection.cuts import expand_cells
from curate.selection.paths import join_inside

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from curate.data.idmaps import IdMap
    from curate.scores.score_file import ScoreFile


class Regions(NamedTuple):
    """Columns of the region table; regions of images that were not scored have no score."""

    image: NDArray[np.int64]
    valid_px: NDArray[np.int64]
    score: NDArray[np.float64]


@dataclass(frozen=True)
class SubsetSource:
    """A score file together with its data set.

    Attributes
    ----------
    scores : ScoreFile
    root : Path
        Where the data set is now.
    rank_by : str
        What ranks: a column of scores, or the name of a stream.
    """

    scores: ScoreFile
    root: Path
    rank_by: str = "score"

    @property
    def num_images(self) -> int:
        """Return the number of images, N."""
        return self.scores.num_images

    @property
    def is_ok(self) -> NDArray[np.bool_]:
        """Tell which images were scored, (N,)."""
        return self.scores.is_ok

    @cached_property
    def provenance(self) -> Provenance:
        """Return where the scores come from, checked."""
        return parse_provenance(self.scores.provenance, where=str(self.scores.path))

    @cached_property
    def id_map(self) -> IdMap:
        """Return the id map that the labels were read with."""
        # Reading labels brings torch along, which choosing whole images has no need of.
        from curate.data.subset_labels import restore_id_map

        return restore_id_map(self.provenance.id_map, where=str(self.scores.path))

    @cached_property
    def valid_px(self) -> NDArray[np.int64]:
        """Return the valid pixels of each image, (N,); 0 where it was not scored."""
        return np.where(self.is_ok, self.scores.image_column("valid_px"), 0)

    @property
    def stream(self) -> str | None:
        """Name the stream that ranks, if one does."""
        is_column = self.rank_by in SCORE_NAMES
        return self.rank_by if self.rank_by in self.scores.streams and not is_column else None

    @cached_property
    def regions(self) -> Regions:
        """Return the region table, with the scores that rank."""
        names = ("image", "valid_px", self._column)
        image, valid_px, score = map(self.scores.region_column, names)
        return Regions(image, valid_px, np.where(self.is_ok[image], score, np.nan))

    def texts(self, name: str) -> pa.LargeStringArray:
        """Return a column of strings of the image table."""
        return self.scores.image_column(name)

    @cached_property
    def image_scores(self) -> NDArray[np.float64]:
        """Return the scores that rank images, (N,); NaN for images that were not scored."""
        return np.where(self.is_ok, self.scores.image_column(self._column), np.nan)

    def id_of(self, row: int) -> str:
        """Return the id of an image."""
        return str(self.texts("id")[row].as_py())

    def read_pixels(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Read ranking score times 255 and class index of each pixel of an image, (H, W) both.

        Raises
        ------
        DataError
            If the label cannot be read, or has another size than when it was scored.
        """
        cells = self.scores.pixel_scores(self.id_of(row), stream=self.stream)
        label_map = self.read_label_of(row)
        return self.to_pixels(cells, row).astype(np.uint8), label_map

    def read_label_map(self, path: Path) -> NDArray[np.uint8]:
        """Read a label file as class indices, (H, W) uint8, 255 = ignore."""
        from curate.data.labels import read_label_ids

        return self.id_map.apply(read_label_ids(path, self.id_map))

    def read_label_of(self, row: int) -> NDArray[np.uint8]:
        """Read the label of an image, and make sure that its size is the one that was scored.

        Raises
        ------
        DataError
            If the size changed.
        """
        path = Path(join_inside(self.root, self.texts("label_path")[row].as_py()))
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
        height, width = (self.scores.image_column(name)[row] for name in ("height", "width"))
        return int(height), int(width)

    def to_pixels(self, cells: NDArray[np.generic], row: int) -> NDArray[np.generic]:
        """Repeat the cells of a map over the pixels of the original image."""
        height, width = self.size_of(row)
        return expand_cells(cells, height, width, self.provenance.stride)

    @property
    def _column(self) -> str:
        """Name the column that ranks, in both tables."""
        return stream_column(self.stream) if self.stream else self.rank_by
