"""The work folder of a score file: finished pieces, each a small score file of its own.

A piece is written and forced to the disk in one go, so that whatever is in the folder is whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from curate.errors import StoreError
from curate.files.atomic import replacing
from curate.files.disk_errors import disk_errors
from curate.files.locks import Lock, claim
from curate.records import OK
from curate.scores.assembling import Assembly, number_maps, write_h5
from curate.scores.columns import Columns, image_columns, region_columns, take
from curate.scores.provenance import NO_MEANS
from curate.scores.schema import Schema, map_dtype, map_shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from curate.records import ScoredImage
    from curate.scores.packing import PackedMap
    from curate.scores.provenance import Provenance

_NAME: Final = "piece-{:08d}-{:04d}.h5"
_LOCK: Final = "lock"
_FRESH: Final = "overwrite"
"""Marks a work folder whose pieces replace the finished score file instead of adding to it."""


class Pieces:
    """The folder of pieces; a lock keeps a second writer out, and dies with its process.

    Parameters
    ----------
    folder : Path
        Created if it is not there.
    rank : int
        Number of this process among those that write to the folder together; only the first one,
        0, takes the lock.

    Raises
    ------
    StoreError
        If another process writes to the folder, or the disk does not let us.
    """

    def __init__(self, folder: Path, *, rank: int = 0) -> None:
        self.folder = folder
        self.rank = rank
        self._lock: Lock | None = None
        if rank == 0:
            with disk_errors("write to", folder):
                folder.mkdir(parents=True, exist_ok=True)
                (folder / _LOCK).touch()
            self._lock = claim(folder / _LOCK, folder)
        self._next = 1 + max((int(path.stem.split("-")[1]) for path in self.paths()), default=0)

    @property
    def is_fresh(self) -> bool:
        """Tell whether a finished score file is to be ignored."""
        return (self.folder / _FRESH).exists()

    def start_over(self) -> None:
        """Remove all pieces, and ignore a finished score file from now on."""
        with disk_errors("write to", self.folder):
            (self.folder / _FRESH).touch()
            for path in self.paths():
                path.unlink()

    def paths(self) -> list[Path]:
        """List the pieces, oldest first."""
        return sorted(self.folder.glob("piece-*.h5"))

    def add(self, assembly: Assembly, *, has_maps: bool) -> None:
        """Write a piece; it is there when this returns, whatever happens to the machine."""
        images = number_maps(assembly, assembly.rows, has_maps=has_maps)
        path = self.folder / _NAME.format(self._next, self.rank)
        with replacing(path, sweep=False) as partial:
            write_h5(assembly, assembly.rows, images, partial)
        self._next += 1

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            self._lock.close()


class Piece:
    """Scored images in memory, as the content of a piece; see `curate.scores.sources.Content`.

    Parameters
    ----------
    scored : sequence of ScoredImage
        In any order.

    Raises
    ------
    StoreError
        If a map is missing, or has another shape or type than the file needs.
    """

    def __init__(
        self,
        scored: Sequence[ScoredImage],
        schema: Schema,
        provenance: Provenance,
        *,
        has_maps: bool,
    ) -> None:
        self._scored = sorted(scored, key=lambda image: image.pair.id)
        num_classes = len(provenance.classes.names)
        self.images = image_columns(self._scored, schema, num_classes=num_classes)
        self._regions = region_columns(
            self._scored if "region" in provenance.levels else (), schema
        )
        self.region_count = np.bincount(self._regions["image"], minlength=len(scored))
        self.means = NO_MEANS
        self._maps = {
            (group, row): found
            for group in (schema.map_groups(provenance.levels) if has_maps else ())
            for row, image in enumerate(self._scored)
            if (found := _find_map(image, group, schema, provenance.stride)) is not None
        }

    def regions(self, rows: range) -> Iterator[Columns]:
        """Yield the regions of all images."""
        first, last = np.searchsorted(self._regions["image"], [rows.start, rows.stop])
        block = take(self._regions, slice(first, last))
        yield block | {"image": block["image"] - rows.start}

    def packed(self, group: str, row: int) -> PackedMap:
        """Return a map of an image."""
        return self._maps[group, row]


def _find_map(image: ScoredImage, group: str, schema: Schema, stride: int) -> PackedMap | None:
    """Return a map that fits its image; None where there is nothing to map."""
    stream = schema.stream_groups.get(group)
    is_inactive = stream is not None and np.isnan(image.streams.get(stream, np.nan))
    if image.status != OK or is_inactive:
        return None
    found: PackedMap | None = (
        getattr(image, group) if stream is None else image.stream_scores.get(stream)
    )
    shape = map_shape(image.height, image.width, stride)
    dtype = map_dtype(group, shape)
    if found is not None and (found.shape, found.dtype) == (shape, dtype):
        return found
    what = "missing" if found is None else f"{found.dtype} of shape {found.shape}"
    msg = (
        f"a map of image '{image.pair.id}' is {what}; {dtype} of shape {shape} is required for "
        f"{image.height}x{image.width} pixels at stride {stride}."
    )
    raise StoreError(msg)
