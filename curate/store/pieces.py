"""The work folder of a score file: finished pieces, each a small score file of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from curate.errors import StoreError
from curate.records import OK
from curate.store.atomic import replacing
from curate.store.columns import Columns, image_columns, num_rows, region_columns
from curate.store.diskerrors import disk_errors
from curate.store.h5write import write_header, write_images, write_map, write_regions
from curate.store.locks import try_lock
from curate.store.schema import (
    ATTR_SCALE,
    ATTR_STRIDE,
    PIXEL_SCALE,
    PIXEL_SCORES,
    REGION_IDS,
    map_shape,
)
from curate.store.sink import creating_h5

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.records import ScoredImage

_NAME: Final = "piece-{:08d}.h5"
_FRESH: Final = "overwrite"
"""Marks a work folder whose pieces replace the finished score file instead of adding to it."""

Maps = dict[str, dict[str, "NDArray[Any]"]]


class Pieces:
    """The folder of pieces; a lock keeps a second writer out, and dies with its process.

    Parameters
    ----------
    folder : Path
        Created if it is not there.

    Raises
    ------
    StoreError
        If another process writes to the folder, or the disk does not let us.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with disk_errors("write to", folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        if try_lock(self._lock) is False:
            self.close()
            msg = f"{folder} is in use by another process. Wait for it, or stop it first."
            raise StoreError(msg)
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

    def add(
        self,
        images: Columns,
        regions: Columns | None,
        maps: Maps,
        *,
        stride: int,
        provenance: str,
        dataset_root: str,
    ) -> None:
        """Write one piece; it is there when this returns, whatever happens to the machine."""
        path = self.folder / _NAME.format(self._next)
        with replacing(path, sweep=False) as partial, creating_h5(partial) as (file, _):
            write_header(file, provenance=provenance, dataset_root=dataset_root)
            write_images(file, images)
            if regions is not None:
                write_regions(file, [regions], count=num_rows(regions))
            for name, by_id in maps.items():
                group = file.create_group(name)
                scale = {ATTR_SCALE: PIXEL_SCALE} if name == PIXEL_SCORES else {}
                for image_id, values in by_id.items():
                    write_map(group, image_id, values, **{ATTR_STRIDE: stride}, **scale)
        self._next += 1

    def close(self) -> None:
        """Release the lock."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def tabulate(
    batch: Sequence[ScoredImage], levels: tuple[str, ...], *, num_classes: int
) -> tuple[Columns, Columns | None]:
    """Arrange a batch as the two tables of a piece."""
    images = image_columns(batch, num_classes=num_classes)
    return images, region_columns(batch) if "region" in levels else None


def collect_maps(batch: Sequence[ScoredImage], levels: tuple[str, ...], *, stride: int) -> Maps:
    """Collect the maps of the scored images of a batch.

    Raises
    ------
    StoreError
        If a map is missing, or has another shape or type than the file needs.
    """
    maps: Maps = {}
    wanted = {
        "pixel": (PIXEL_SCORES, "pixel_scores", ("uint8",)),
        "region": (REGION_IDS, "region_ids", ("uint16", "uint32")),
    }
    for level, (group, field, dtypes) in wanted.items():
        if level in levels:
            maps[group] = {
                image.pair.id: _checked_map(image, getattr(image, field), dtypes, stride)
                for image in batch
                if image.status == OK
            }
    return maps


def _checked_map(
    image: ScoredImage, values: NDArray[Any] | None, dtypes: tuple[str, ...], stride: int
) -> NDArray[Any]:
    """Return a map that fits its image."""
    shape = map_shape(image.height, image.width, stride)
    if values is not None and values.shape == shape and values.dtype.name in dtypes:
        return values
    found = "missing" if values is None else f"{values.dtype} of shape {values.shape}"
    msg = (
        f"a map of image '{image.pair.id}' is {found}; {' or '.join(dtypes)} of shape {shape} "
        f"is required for {image.height}x{image.width} pixels at stride {stride}."
    )
    raise StoreError(msg)
