"""The two tables of a score file, each column read and checked when it is first asked for."""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import errors, records
from curate.scores import arrow, checks, h5_read, tables_arrow
from curate.scores.schema import IMAGES, REGIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_MANY_ROWS: Final = 1_000_000
"""Ids of more images are not all in memory only to see whether they are sorted."""

Part = h5_read.H5Part | tables_arrow.TablePart
"""What the scores of some images are read from."""

Columns = dict[str, h5_read.Values]


class Tables:
    """The tables of several parts as one, whichever shape they have; images are sorted by id.

    Parameters
    ----------
    parts : sequence of Part
        Each with rows of its own.
    where : str
        Names the score file in errors.
    num_classes : int
        What columns by class, and classes of regions, must agree with.
    """

    def __init__(self, parts: Sequence[Part], where: str, *, num_classes: int) -> None:
        self._parts = parts
        self._num_classes = num_classes
        self._where = where
        self._columns: dict[tuple[str, str], h5_read.Values] = {}
        self._class_totals: NDArray[np.int64] | None = None

    @cached_property
    def counts(self) -> list[int]:
        """Return the number of images of each part."""
        return [part.count(IMAGES) for part in self._parts]

    @cached_property
    def is_ok(self) -> NDArray[np.bool_]:
        """Tell which images were scored, (N,)."""
        ok, order = arrow.text_scalar(records.OK), self.order
        if (IMAGES, "status") in self._columns:
            return arrow.from_arrow(pc.equal(self.images("status"), ok))
        blocks = (block for part in self._parts for block in part.blocks(IMAGES, ("status",)))
        found = [arrow.from_arrow(pc.equal(block["status"], ok)) for block in blocks]
        return np.asarray(_take(np.concatenate([np.empty(0, np.bool_), *found]), order))

    @cached_property
    def part_of(self) -> NDArray[np.int64]:
        """Return the part that each image comes from, (N,)."""
        return np.asarray(_take(np.repeat(np.arange(len(self.counts)), self.counts), self.order))

    @cached_property
    def order(self) -> NDArray[np.int64] | None:
        """Return the rows of all parts in the order of their ids; None: they are in order."""
        if sum(self.counts) > _MANY_ROWS and self._is_sorted():
            return None
        ids, order = self._join(IMAGES, "id"), None
        if not _rises(ids):
            order = arrow.from_arrow(pc.sort_indices(ids)).astype(np.int64)
            ids = ids.take(arrow.to_arrow(order))
            if not _rises(ids):
                msg = f"{self._where}: an image id occurs twice. Score the data set again."
                raise errors.StoreError(msg)
        checks.check_id_column(ids)
        self._columns[IMAGES, "id"] = ids
        return order

    def _is_sorted(self) -> bool:
        """Tell whether all ids rise, block after block."""
        last = ""
        for part in self._parts:
            for ids in (block["id"] for block in part.blocks(IMAGES, ("id",))):
                checks.check_id_column(ids)
                if not _rises(ids) or (len(ids) and ids[0].as_py() <= last):
                    return False
                last = ids[-1].as_py() if len(ids) else last
        return True

    def blocks(self, table: str, names: Sequence[str]) -> Iterator[tuple[int, Columns]]:
        """Yield some columns block after block, in the order of the rows, with all checks.

        Nothing of it is kept in memory, unless images of the parts have to be sorted into each
        other.

        Yields
        ------
        first : int
            Row of the first.
        block : dict of str to array
            As `images` and `regions` have them; never empty.
        """
        if self.order is not None:
            read = self.images if table == IMAGES else self.regions
            block = {name: read(name) for name in names}
            if len(next(iter(block.values()))):
                yield 0, block
            return
        row = image = 0
        for part, count in zip(self._parts, self.counts, strict=True):
            last = 0
            for block in part.blocks(table, names):
                with h5_read.reading(self._where):
                    if table == IMAGES:
                        self._check_images(block, row)
                    else:
                        last = self._check_regions(block, count, last)
                if "image" in block:
                    block["image"] = block["image"] + image
                yield row, block
                row += len(next(iter(block.values())))
            image += count

    def count_classes(self, is_wanted: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Count the valid pixels of each class, (C,), in the images that are wanted.

        By default in all that were scored, which are counted along with the first others: of very
        many images this column is the largest.
        """
        if is_wanted is None and self._class_totals is not None:
            return self._class_totals
        counts, totals = np.zeros((2, self._num_classes), np.int64)
        for first, block in self.blocks(IMAGES, ("class_px",)):
            class_px = block["class_px"]
            rows = slice(first, first + len(class_px))
            totals += class_px[self.is_ok[rows]].sum(axis=0)
            if is_wanted is not None:
                counts += class_px[is_wanted[rows]].sum(axis=0)
        self._class_totals = totals
        return totals if is_wanted is None else counts

    def _check_images(self, block: Columns, row: int) -> None:
        """Check some rows of the image table."""
        for name, values in block.items():
            if not isinstance(values, pa.Array):
                is_ok = self.is_ok[row : row + len(values)]
                checks.check_image_column(name, values, is_ok, where=self._where)
                if values.ndim == 2 and values.shape[1] != self._num_classes:
                    self._refuse(f"column '{name}' is of {values.shape[1]}")

    def _check_regions(self, block: Columns, count: int, last: int) -> int:
        """Check some rows of the region table of a part; return the image of the last one."""
        for name, values in block.items():
            checks.check_region_column(name, values, where=self._where)
            if name == "class_id" and self._is_unknown(values).any():
                self._refuse(f"a region shows class {values[self._is_unknown(values)][0]} of")
        if (image := block.get("image")) is None:
            return last
        follows = np.concatenate([[last], image])
        checks.check_region_images(follows, num_images=count, where=self._where)
        return int(image[-1])

    @property
    def num_regions(self) -> int:
        """Return the number of regions of all images."""
        return int(self._region_ends[-1])

    def region_rows(self, name: str, rows: slice) -> h5_read.Values:
        """Return some rows of a column of the region table, which are all in one part."""
        if self.order is not None or (REGIONS, name) in self._columns:
            return self.regions(name)[rows]
        number = int(np.searchsorted(self._region_ends, rows.start, side="right"))
        first = int(self._region_ends[number - 1]) if number else 0
        if number == len(self._parts):  # no row
            return self._parts[-1].read(REGIONS, name, slice(0))
        return self._parts[number].read(REGIONS, name, slice(rows.start - first, rows.stop - first))

    @cached_property
    def _region_ends(self) -> NDArray[np.int64]:
        """Return where the regions of each part end."""
        return np.cumsum([part.count(REGIONS) for part in self._parts])

    def images(self, name: str) -> h5_read.Values:
        """Return a column of the image table."""
        order = self.order
        if (IMAGES, name) not in self._columns:
            with h5_read.reading(self._where):  # parts may have different numbers of classes
                values = _take(self._join(IMAGES, name), order)
            if not isinstance(values, pa.Array):
                checks.check_image_column(name, values, self.is_ok, where=self._where)
                if values.ndim == 2 and values.shape[1] != self._num_classes:
                    self._refuse(f"column '{name}' is of {values.shape[1]}")
            self._columns[IMAGES, name] = values
        return self._columns[IMAGES, name]

    def regions(self, name: str) -> h5_read.Values:
        """Return a column of the region table; ``image`` counts rows of this image table."""
        image, order = self._region_image
        if name == "image":
            return image
        if name == "id":
            return self.images("id").take(arrow.to_arrow(image))
        if (REGIONS, name) not in self._columns:
            values = _take(self._join(REGIONS, name), order)
            checks.check_region_column(name, values, where=self._where)
            if name == "class_id" and self._is_unknown(values).any():
                self._refuse(f"a region shows class {values[self._is_unknown(values)][0]} of")
            self._columns[REGIONS, name] = values
        return self._columns[REGIONS, name]

    def _is_unknown(self, class_id: NDArray[np.int16]) -> NDArray[np.bool_]:
        """Mark what is neither a class nor the sign of none."""
        return np.asarray((class_id >= self._num_classes) & (class_id != records.IGNORE_INDEX))

    def _refuse(self, what: str) -> NoReturn:
        """Say that the data contradicts the provenance."""
        msg = (
            f"{self._where}: {what} classes, but the provenance names {self._num_classes}. Score "
            "the data set again."
        )
        raise errors.StoreError(msg)

    def row_of(self, image_id: str) -> int | None:
        """Find the row of an image, None if there is none."""
        ids = self.images("id")
        row = bisect_left(range(len(ids)), image_id, key=lambda row: ids[row].as_py())
        return row if row < len(ids) and ids[row].as_py() == image_id else None

    @cached_property
    def _region_image(self) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """Return the image of each region, and the order that sorts the regions by it."""
        blocks, first = [], 0
        for part, count in zip(self._parts, self.counts, strict=True):
            part.count(REGIONS)
            block = part.read(REGIONS, "image")
            checks.check_region_images(block, num_images=count, where=self._where)
            blocks.append(block + first if first else block)
            first += count
        image = np.concatenate(blocks)
        if self.order is None:
            return image, None
        image = np.argsort(self.order)[image]
        order = np.argsort(image, kind="stable")
        return image[order], order

    def _join(self, table: str, name: str) -> h5_read.Values:
        """Put the column of all parts below each other."""
        blocks = [part.read(table, name) for part in self._parts]
        column = self._parts[0].schema.columns(table)[name]
        return blocks[0] if len(blocks) == 1 else h5_read.to_values(blocks, column)


def _rises(ids: pa.LargeStringArray) -> bool:
    """Tell whether each id comes after the one before."""
    return len(ids) < 2 or bool(pc.all(pc.less(ids[:-1], ids[1:])).as_py())


def _take(values: h5_read.Values, order: NDArray[np.int64] | None) -> h5_read.Values:
    """Sort a column."""
    if order is None:
        return values
    return values.take(arrow.to_arrow(order)) if isinstance(values, pa.Array) else values[order]
