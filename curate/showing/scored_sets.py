"""Score files of one run, seen together: columns of all images, and what each image shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from curate import errors, records
from curate.scores import provenance, schema
from curate.selection import opening, source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class ScoredSets:
    """One or several score files of one run; rows count the images of all, set after set.

    Attributes
    ----------
    sources : tuple of SubsetSource
        A score file and the folder of its data set, each.
    names : tuple of str
        Of the sets, all different.
    """

    sources: tuple[source.SubsetSource, ...]
    names: tuple[str, ...]

    @property
    def about(self) -> provenance.Provenance:
        """Return what the first score file says of its making; the others agree."""
        return self.sources[0].provenance

    @property
    def classes(self) -> tuple[str, ...]:
        """Name the classes."""
        return self.about.classes.names

    @property
    def streams(self) -> tuple[str, ...]:
        """Name the streams, the inactive ones, too."""
        return self.sources[0].scores.streams

    @cached_property
    def active_streams(self) -> tuple[str, ...]:
        """Name the streams that say something of at least one image."""
        columns = {name: self.column(schema.stream_column(name)) for name in self.streams}
        return tuple(name for name, values in columns.items() if not np.isnan(values).all())

    @cached_property
    def firsts(self) -> NDArray[np.int64]:
        """Return the row of each set's first image, and the number of all images, (sets + 1,)."""
        return np.cumsum([0, *(each.num_images for each in self.sources)])

    @property
    def num_images(self) -> int:
        """Return the number of images of all sets."""
        return int(self.firsts[-1])

    @cached_property
    def set_of(self) -> NDArray[np.int64]:
        """Return the index of each image's set, (N,)."""
        return np.repeat(np.arange(len(self.sources)), np.diff(self.firsts))

    @cached_property
    def is_ok(self) -> NDArray[np.bool_]:
        """Tell which images were scored, (N,)."""
        return np.concatenate([each.is_ok for each in self.sources])

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of numbers of the image tables, (N,) or (N, C)."""
        return np.concatenate([each.scores.image_column(name) for each in self.sources])

    def texts(self, name: str) -> list[str]:
        """Return a column of strings of the image tables."""
        return [text for each in self.sources for text in each.texts(name).to_pylist()]

    def region_column(self, name: str) -> NDArray[Any]:
        """Return a column of numbers of the region tables; ``image`` counts rows of all sets."""
        if name not in self._regions:
            blocks = [each.scores.region_column(name) for each in self.sources]
            if name == "image":
                blocks = [b + first for b, first in zip(blocks, self.firsts, strict=False)]
            self._regions[name] = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
        return self._regions[name]

    @cached_property
    def _regions(self) -> dict[str, NDArray[Any]]:
        """Keep columns of the regions, of which there may be millions."""
        return {}

    @cached_property
    def region_ends(self) -> NDArray[np.int64]:
        """Return where the regions of each image begin, and the last ones end, (N + 1,)."""
        return np.searchsorted(self.region_column("image"), np.arange(self.num_images + 1))

    def place(self, row: int) -> tuple[source.SubsetSource, int]:
        """Find the set of an image, and its row there."""
        index = int(self.set_of[row])
        return self.sources[index], row - int(self.firsts[index])

    def read_image(self, row: int) -> NDArray[np.uint8]:
        """Read an image, (H, W, 3) uint8, upright.

        Raises
        ------
        DataError
            If it cannot be read, or has another size than when it was scored.
        """
        own, local = self.place(row)
        pixels = own.read_image(local)
        own.check_size(local, own.texts("image_path")[local].as_py(), pixels.shape[:2])
        return pixels

    def read_small(self, row: int, least_px: int) -> NDArray[np.uint8]:
        """Read an image to look at, with sides of at least `least_px`; its size is not checked."""
        own, local = self.place(row)
        return own.read_image(local, least_px)

    def read_labels(self, row: int) -> NDArray[np.uint8]:
        """Read the class index of each pixel of an image, (H, W), 255 = ignore."""
        own, local = self.place(row)
        return own.read_labels(local)

    def score_cells(self, row: int) -> NDArray[np.uint8]:
        """Return the score times 255 of each cell of an image, (h, w)."""
        own, local = self.place(row)
        return own.scores.pixel_scores(own.id_of(local))

    def weight_levels(self, row: int) -> NDArray[np.uint8]:
        """Return the weight of each cell of an image, (h, w), 255 being the largest of its set."""
        own, local = self.place(row)
        return own.scores.pixel_levels(own.id_of(local), of="weight")

    def region_cells(self, row: int, column: str) -> NDArray[Any]:
        """Spread a column of the region table over the cells of an image, (h, w)."""
        own, local = self.place(row)
        region_ids = own.scores.region_ids(own.id_of(local))
        values: NDArray[Any] = self.region_column(column)[
            self.region_ends[row] : self.region_ends[row + 1]
        ]
        if region_ids.size and int(region_ids.max()) >= len(values):
            msg = f"{own.scores.path} has no row for a region of '{own.id_of(local)}'. Score again."
            raise errors.StoreError(msg)
        return np.asarray(values[region_ids])

    def stream_cells(self, row: int, stream: str) -> NDArray[np.uint8] | None:
        """Return what a stream holds of each cell times 255, (h, w).

        Where no maps of streams were kept, each cell has the mean of its region. None where
        neither is known.
        """
        own, local = self.place(row)
        if own.scores.has_stream_maps:
            return own.scores.pixel_scores(own.id_of(local), stream=stream)
        if not self.has_maps("region"):
            return None
        means = self.region_cells(row, schema.stream_column(stream))
        return np.asarray((np.nan_to_num(means) * 255).round(), np.uint8)

    def has_maps(self, level: str) -> bool:
        """Tell whether there are maps of ``pixel`` scores, or of ``region`` ids."""
        return level in self.about.levels and all(each.scores.has_maps for each in self.sources)


def open_sets(
    stack: ExitStack, scores: Sequence[Path | str], dataset: Path | str | None = None
) -> ScoredSets:
    """Open score files of one run, to be seen together until the end of a block.

    Raises
    ------
    StoreError, UsageError
        As `curate.selection.opening.open_sources`, or if a path leads out of its data set.
    """
    found = opening.open_sources(stack, scores, dataset=dataset)
    for own in found:
        source.check_paths(own)
    return ScoredSets(
        tuple(found), _tell_apart([own.name or own.scores.path.stem for own in found])
    )


def _tell_apart(names: Sequence[str]) -> tuple[str, ...]:
    """Put numbers behind names that occur more than once."""
    counts, seen = Counter(names), Counter[str]()
    told = []
    for name in names:
        seen[name] += 1
        told.append(f"{name} ({seen[name]})" if counts[name] > 1 else name)
    return tuple(told)


def is_valid(cell_classes: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which cells have a class."""
    return np.asarray(cell_classes != records.IGNORE_INDEX)
