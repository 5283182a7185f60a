"""The scored data set, as far as an export needs it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import groupby, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import errors, records, remote, seeding
from curate.data import containers, dataset, idmap_files, images, labels, shards
from curate.scores import arrow, schema
from curate.selection import cuts, placement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from curate.data.idmaps import IdMap
    from curate.scores.provenance import Provenance
    from curate.scores.score_file import ScoreFile

PATHS: Final = ("image_path", "label_path")
"""Columns of the image table that name files of the data set."""

_NUM_NAMED: Final = 3
_LEAST_CHANCE: Final = 1e-3  # what a score of 0 is drawn by: never quite impossible
_LEADS_OUT: Final = r"^$|(^|/)\.{0,2}(/|$)|\x00"


@dataclass(frozen=True)
class SubsetSource:
    """A score file together with its data set.

    Attributes
    ----------
    scores : ScoreFile
    root : Path
        Where the data set is now.
    rank_by : str
        What ranks: a column of scores or weights, or the name of a stream.
    prefix : str
        What stands before ids and paths in a subset of several data sets: ``gta5/``.
    is_joined : bool
        Whether it is cut as one with others, so that weights must be comparable between them.
    left_out : mapping of int to str
        Rows of images that are no candidates though they were scored, and why.
    image_order : (N,) float64, optional
        What images are chosen by in place of their scores.
    draw_seed : int, optional
        What units are drawn by, in proportion to their scores; by default the best are taken.
    """

    scores: ScoreFile
    root: Path
    rank_by: str = "score"
    prefix: str = ""
    is_joined: bool = False
    left_out: Mapping[int, str] = field(default_factory=dict)
    image_order: NDArray[np.float64] | None = None
    draw_seed: int | None = None

    @property
    def name(self) -> str:
        """Return what the data set is called."""
        return self.provenance.dataset.name or self.scores.dataset_root.name

    @property
    def num_images(self) -> int:
        """Return the number of images, N."""
        return self.scores.num_images

    @property
    def is_ok(self) -> NDArray[np.bool_]:
        """Tell which images were scored, (N,)."""
        return self.scores.is_ok

    @cached_property
    def is_candidate(self) -> NDArray[np.bool_]:
        """Tell which images can be chosen, (N,)."""
        is_candidate = self.is_ok.copy()
        is_candidate[list(self.left_out)] = False
        return is_candidate

    @property
    def provenance(self) -> Provenance:
        """Return where the scores come from, checked."""
        return self.scores.about

    @cached_property
    def id_maps(self) -> dict[str, IdMap]:
        """Return the id map that labels were read with, by the keys of `Provenance.origins`."""
        where, origins = str(self.scores.path), self.provenance.origins
        return {s: idmap_files.restore_id_map(o.id_map, where=where) for s, o in origins.items()}

    def id_map_of(self, row: int) -> IdMap:
        """Return the id map that the label of an image was read with."""
        return self.id_maps[self.provenance.start_of(self.id_of(row))]

    @property
    def stream(self) -> str | None:
        """Name the stream that ranks, if one does."""
        is_column = self.rank_by in (*records.SCORE_NAMES, *records.WEIGHT_NAMES)
        return self.rank_by if self.rank_by in self.scores.streams and not is_column else None

    @property
    def unit(self) -> float:
        """What the ranking column is multiplied by: weights have mean 1 in each file by itself."""
        if not self.is_joined or self.rank_by not in records.WEIGHT_NAMES:
            return 1.0
        return self.scores.header.weight_means[records.WEIGHT_NAMES.index(self.rank_by)]

    def texts(self, name: str) -> pa.LargeStringArray:
        """Return a column of strings of the image table."""
        return self.scores.image_column(name)

    def list_texts(
        self, is_wanted: NDArray[np.bool_], names: Sequence[str]
    ) -> list[tuple[str, ...]]:
        """List some columns of strings of the images that are wanted, one tuple an image."""
        columns = [self.texts(name).filter(arrow.to_arrow(is_wanted)).to_pylist() for name in names]
        return list(zip(*columns, strict=True))

    @cached_property
    def valid_px(self) -> NDArray[np.int64]:
        """Return the valid pixels of each image, (N,); 0 where it was not scored."""
        values: NDArray[np.int64] = self._read_images("valid_px", np.int64)
        values[~self.is_ok] = 0
        return values

    @cached_property
    def image_scores(self) -> NDArray[np.floating]:
        """Return the scores that rank images, (N,); NaN for images that are no candidates."""
        values: NDArray[np.float32] = self._read_images(self.column, np.float32)
        values *= self.unit
        values[~self.is_candidate] = np.nan
        return values

    def _read_images(self, name: str, dtype: type[np.generic]) -> Any:  # noqa: ANN401
        """Read a column of the image table, of which the score file keeps nothing in memory."""
        values = np.empty(self.num_images, dtype)
        for first, block in self.scores.tables.blocks(schema.IMAGES, (name,)):
            values[first : first + len(block[name])] = block[name]
        return values

    @property
    def image_keys(self) -> NDArray[np.floating]:
        """Return what images are chosen by, highest first, (N,); NaN as in `image_scores`."""
        if self.image_order is not None:
            return self.image_order
        return self._draw_keys(self.image_scores, "image")

    @property
    def region_keys(self) -> NDArray[np.floating]:
        """Return what regions are chosen by, highest first, (R,); NaN as in `region_scores`."""
        return self._draw_keys(self.region_scores, "region")

    def _draw_keys(self, scores: NDArray[np.floating], unit: str) -> NDArray[np.floating]:
        """Draw a key for each unit; in their order, units are drawn in proportion to their scores.

        Keys ``log(u) / score``, u uniform in (0, 1): Efraimidis and Spirakis, doi
        10.1016/j.ipl.2005.11.003.
        """
        if self.draw_seed is None:
            return scores
        rng = seeding.stable_rng(self.draw_seed, "draw", unit, self.name)
        drawn = np.log1p(-rng.random(len(scores)))
        return np.asarray(drawn / np.maximum(scores, _LEAST_CHANCE))

    @cached_property
    def region_scores(self) -> NDArray[np.floating]:
        """Return the scores that rank regions, (R,); NaN in images that are no candidates."""
        is_ok = self.is_candidate[self.scores.region_column("image")]
        values = self.scores.region_column(self.column) * self.unit
        return np.where(is_ok, values, np.nan)

    @property
    def column(self) -> str:
        """Name the column that ranks, in both tables."""
        return schema.stream_column(self.stream) if self.stream else self.rank_by

    def describe(self) -> str:
        """Say which scores these are: their file, method and run; on a second line, of what."""
        path, here = self.scores.path, Path.cwd()
        shown = path.relative_to(here) if path.is_relative_to(here) else path
        method = self.scores.provenance.get("method", "unknown method")
        run = str(self.scores.provenance.get("run", ""))[:8]
        return f"{shown} ({method}, run {run})\nData set: {self.name} at {self.root}"

    def list_scored(self) -> list[dataset.DataSource]:
        """List the images that were scored as data sets, to be looked at."""
        rows, about = self.list_texts(self.is_ok, ("id", *PATHS)), self.provenance
        groups = groupby(rows, lambda texts: about.start_of(texts[0]))
        return [
            dataset.DataSource(
                root=self.root,
                layout=about.origins[start].layout,
                id_map=self.id_maps[start],
                classes=records.ClassSet(about.classes.name, about.classes.names),
                pairs=tuple(records.Pair(*texts) for texts in own),
                key=self.name,
                value_range=about.origins[start].shown_range,
            )
            for start, own in (groups if rows else [(next(iter(about.origins)), [])])
        ]

    def id_of(self, row: int) -> str:
        """Return the id of an image."""
        return str(self.texts("id")[row].as_py())

    @cached_property
    def id_folder(self) -> str:
        """Return the folders that all ids begin with, up to the last slash, as ``images/``."""
        ends = pc.min_max(self.texts("id"))  # what the first and the last share, all of them do
        folders = [(end.as_py() or "").split("/")[:-1] for end in ends.values()]
        shared = takewhile(lambda pair: pair[0] == pair[1], zip(*folders, strict=False))
        return "".join(f"{folder}/" for folder, _ in shared)

    def orientation_of(self, row: int) -> int:
        """Return the EXIF orientation of an image, 1 = upright."""
        return int(self.scores.image_column("orientation")[row])

    @property
    def weight_mean(self) -> float:
        """Return what weights were divided by, so that their mean over the data set is 1."""
        return self.scores.header.weight_means[0]

    def size_of(self, row: int) -> tuple[int, int]:
        """Return the original height and width of an image."""
        height, width = (self.scores.image_column(name)[row] for name in ("height", "width"))
        return int(height), int(width)

    def to_pixels(self, cells: NDArray[np.generic], row: int) -> NDArray[np.generic]:
        """Repeat the cells of a map over the pixels of the original image."""
        return cuts.expand_cells(cells, *self.size_of(row), self.provenance.stride)

    def read_pixels(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Read level, 255 the highest, and class index of each pixel of an image, (H, W) both.

        Raises
        ------
        DataError
            If the label cannot be read, or has another size than when it was scored.
        """
        cells = self.scores.pixel_levels(self.id_of(row), of=self.rank_by)
        if self.draw_seed is not None:
            rng = seeding.stable_rng(self.draw_seed, "draw", "pixel", self.name, self.id_of(row))
            chances = np.maximum(cells / 255, _LEAST_CHANCE)
            cells = np.rint(255 * rng.random(cells.shape) ** (1 / chances)).astype(np.uint8)
        label_map = self.read_labels(row)
        return self.to_pixels(cells, row).astype(np.uint8), label_map

    def read_labels(self, row: int) -> NDArray[np.uint8]:
        """Read the class index of each pixel of an image, (H, W); errors as `read_pixels`."""
        path = self.texts("label_path")[row].as_py()
        label, id_map = remote.as_path(placement.join_inside(self.root, path)), self.id_map_of(row)
        label_map = id_map.apply(labels.read_label_ids(label, id_map))
        self.check_size(row, path, label_map.shape)
        return label_map

    def check_size(self, row: int, path: str, size: tuple[int, ...]) -> None:
        """Refuse a file of another height and width than its image had when it was scored.

        Raises
        ------
        DataError
            With code ``size_mismatch``.
        """
        if size != self.size_of(row):
            msg = (
                f"{self.root}/{path} has {'x'.join(map(str, size))} pixels, but had "
                f"{'x'.join(map(str, self.size_of(row)))} when it was scored. Score it again."
            )
            raise errors.DataError(msg, code="size_mismatch")

    def read_image(self, row: int, least_px: int = 0) -> NDArray[np.uint8]:
        """Read an image, (H, W, 3) uint8, upright: whole as it was scored, or see `decode_image`.

        Raises
        ------
        DataError
            If it cannot be read.
        """
        inside = self.texts("image_path")[row].as_py()
        path = remote.as_path(placement.join_inside(self.root, inside))
        if containers.is_container(path):
            return containers.read_image(path)
        opened = images.open_image(images.read_file(path, "image"), path)
        shown = self.provenance.origin_of(self.id_of(row)).shown_range
        return images.decode_image(opened, path, shown, least_px)

    def write_masked_label(
        self, label_path: str, target: Path, keep: NDArray[np.bool_], id_map: IdMap
    ) -> None:
        """Copy a label file in its own format with the other pixels ignored."""
        label = remote.as_path(placement.join_inside(self.root, label_path))
        labels.write_masked_label(label, target, keep, id_map=id_map)


def check_paths(source: SubsetSource) -> None:
    """Refuse a score file with a path that leads out of the data set.

    Raises
    ------
    StoreError
        Naming the first.
    """
    for first, block in source.scores.tables.blocks(schema.IMAGES, PATHS):
        for paths in block.values():
            is_given = arrow.from_arrow(pc.binary_length(paths)) > 0
            is_ok = source.is_ok[first : first + len(paths)]
            suspects = paths.filter(arrow.to_arrow(is_given | is_ok))  # what failed may have none
            if os.sep == "/":
                suspects = suspects.filter(pc.match_substring_regex(suspects, _LEADS_OUT))
            for path in suspects.to_pylist():
                placement.join_inside(source.root, path)


def check_files(
    source: SubsetSource, is_wanted: NDArray[np.bool_], columns: Sequence[str]
) -> tuple[int, bool]:
    """Make sure that files of some images are there; each file is looked at once.

    Parameters
    ----------
    is_wanted : (N,) bool
        Which images.
    columns : sequence of str
        Those of `PATHS` that are needed.

    Returns
    -------
    size : int
        Bytes of these files.
    is_changed : bool
        Whether files of the data set were removed or resized since it was scored.

    Raises
    ------
    DataError
        Counting the missing files and naming the first.
    """
    root = str(source.root)
    is_remote = isinstance(source.root, remote.RemotePath) and source.root.list_below()
    if not source.root.is_dir():
        msg = f"the data set is not at {root}. Name the folder where it is now with --dataset."
        raise errors.DataError(msg, code="no_folder")

    unusable: set[str] = set()

    @cache
    def size_of(path: str) -> int:
        """Return the size of a file, -1 if there is nothing."""
        if is_remote or shards.is_inside(path):
            size = shards.size_of(source.root / path)
            unusable.update({path} if size < 0 else ())
            return size
        try:
            status = os.stat(f"{root}{os.sep}{path}")  # noqa: PTH116
        except OSError:
            unusable.add(path)
            return -1
        if not stat.S_ISREG(status.st_mode):
            unusable.add(path)
        return status.st_size

    is_changed = _has_changed(source, size_of)
    wanted = [path for paths in source.list_texts(is_wanted, columns) for path in paths]
    size = sum(map(size_of, wanted))
    missing = [path for path in wanted if path in unusable]
    if missing:
        first = ", ".join(str(source.root / path) for path in missing[:_NUM_NAMED])
        more = ", ..." if len(missing) > _NUM_NAMED else ""
        msg = (
            f"{len(missing)} of the {len(wanted)} files to export are missing: {first}{more}. "
            "Restore them, name the folder where the data set is now with --dataset, or score "
            "it again."
        )
        raise errors.DataError(msg, code="missing_files")
    return size, is_changed


def _has_changed(source: SubsetSource, size_of: Callable[[str], int]) -> bool:
    """Tell whether files were removed or resized since the data set was scored."""
    then = source.scores.provenance.get("dataset")
    if not isinstance(then, dict) or then.get("images") != source.num_images:
        return False  # a part of a data set has no fingerprint to compare
    if then.get("fingerprint") is None:
        return False
    paths = {path for name in PATHS for path in source.texts(name).to_pylist() if path}
    return bool(then["fingerprint"] != dataset.hash_files(paths, size_of))
