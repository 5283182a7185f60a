"""Writing a score file piece by piece, so that it can be interrupted at any moment.

Finished pieces, each a small score file of its own, wait in a work folder. A piece is written and
forced to the disk in one go, so that whatever is in the folder is whole.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from curate import errors, records
from curate.files import atomic, locks
from curate.scores import assembling, checks, columns, guard, packing, score_file, sources, targets
from curate.scores.provenance import Header, Provenance, parse_provenance, refuse_mixing, schema_of
from curate.scores.schema import NO_MEANS, Schema, map_dtype, map_shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_NAME: Final = "piece-{:08d}-{:04d}.h5"
_LOCK: Final = "lock"
_FRESH: Final = "overwrite"
"""Marks a work folder whose pieces replace the finished score file instead of adding to it."""


class ScoreWriter:
    """Writer of a score file.

    Finished pieces wait in ``<out>.pieces/`` until `finish` puts them together. Whatever happens
    in between, a new writer with ``resume=True`` goes on from there.

    Parameters
    ----------
    out : Path
        ``NAME.h5``, ``NAME.parquet`` (tables only) or a folder (shards).
    provenance : dict
        What the scores depend on, see `curate.scores.provenance.Provenance`; must be JSON. Without
        level ``pixel`` no pixel maps are kept, without ``region`` no regions.
    dataset_root : Path
        Where the data set is; written down as an absolute path.
    overwrite : bool
        Start anew; an earlier score file stays until `finish` replaces it.
    resume : bool
        Keep what is finished, be it in pieces or in a complete score file. Images that failed
        are tried again.
    shard_bytes : int
        Largest size of one file of a folder of shards.
    rank : int
        Number of this process among those that write together. Only the first, 0, looks after what
        is there already, and finishes; it must be open before the others, which only append.

    Attributes
    ----------
    done : set of str
        Ids of the images whose scores are there, without those that failed.

    Raises
    ------
    UsageError
        If something is there already and neither `overwrite` nor `resume` was asked for.
    StoreError
        If what is there has other provenance or is in use, or the disk does not let us write.
    """

    def __init__(
        self,
        out: Path,
        provenance: Mapping[str, Any],
        *,
        dataset_root: Path,
        overwrite: bool = False,
        resume: bool = False,
        shard_bytes: int = targets.SHARD_BYTES,
        rank: int = 0,
    ) -> None:
        self.done: set[str] = set()
        self._target = targets.resolve_target(out.absolute())
        self._provenance = parse_provenance(provenance, where="the provenance")
        self._schema = schema_of(provenance, where="the provenance")
        # as it will be when it is read again: lists, where these are tuples
        self._header = Header(json.loads(json.dumps(provenance)), str(dataset_root.resolve()))
        self._shard_bytes = shard_bytes
        if rank == 0:
            atomic.check_writable(self._target.path.parent)
            for path in (self._target.path, self._target.pieces):
                atomic.remove_stale(path)
            refuse_existing(self._target, overwrite=overwrite, resume=resume)
        self._pieces = Pieces(self._target.pieces, rank=rank)
        if rank == 0:
            self._begin(overwrite=overwrite)

    def append(self, batch: Sequence[columns.ScoredImage]) -> None:
        """Store the scores of some images for good.

        Raises
        ------
        StoreError
            If an id cannot be stored, a map does not fit its image, or the disk fails; nothing of
            the batch is stored then.
        """
        if not batch:
            return
        if len({image.pair.id for image in batch}) < len(batch):
            msg = "an image occurs twice in one batch; each can be scored once at a time."
            raise errors.StoreError(msg)
        checks.check_ids(image.pair.id for image in batch)
        for image in batch:
            checks.check_text(image.pair.image_path, "image path")
            checks.check_text(image.pair.label_path, "label path")
        has_maps = self._target.has_maps
        piece = Piece(batch, self._schema, self._provenance, has_maps=has_maps)
        self._pieces.add(self._assembly(piece), has_maps=has_maps)
        self.done.update(image.pair.id for image in batch if image.status == records.OK)

    def finish(self) -> int:
        """Put all pieces together, sorted by image id, and remove the work folder.

        Returns
        -------
        num_regions : int
            Rows of the region table.
        """
        num_classes = len(self._provenance.classes.names)
        merged = sources.Merged(self._sources(), self._schema, num_classes=num_classes)
        try:
            if not self._is_complete():
                assembling.assemble(self._assembly(merged), self._target)
        finally:
            merged.close()
        self.close()
        atomic.remove_folder(self._target.pieces)
        return int(merged.region_count.sum())

    def close(self) -> None:
        """Release the work folder; its pieces stay."""
        self._pieces.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, *, overwrite: bool) -> None:
        """Start over, or take up what earlier processes finished."""
        try:
            if overwrite:
                self._pieces.start_over()
            self._take_up()
        except BaseException:
            self.close()
            raise

    def _take_up(self) -> None:
        """Find out what earlier processes finished."""
        for source in self._sources():
            refuse_mixing(
                source.provenance,
                self._header.provenance,
                where=str(source.path),
                advice="Use the same settings again, start over with --overwrite, or name another "
                "--out.",
            )
            self.done.update(source.scored_ids())
            source.close()

    def _assembly(self, content: sources.Content) -> assembling.Assembly:
        """Put together all that a file is made of."""
        header = self._header._replace(weight_means=content.means)
        return assembling.Assembly(
            content, self._provenance, header, self._schema, self._shard_bytes
        )

    def _sources(self) -> list[score_file.ScoreFile]:
        """List everything that is finished, oldest first."""
        finished = [] if self._pieces.is_fresh else sources.open_files(self._target)
        return [*finished, *map(sources.open_closed, self._pieces.paths())]

    def _is_complete(self) -> bool:
        """Tell whether a finished score file is there and nothing was added to it."""
        files = [] if self._pieces.is_fresh else self._target.files()
        has_regions = "region" in self._provenance.levels
        return (
            bool(files)
            and not self._pieces.paths()
            and all(file.images_table.exists() for file in files)
            and all(file.regions_table.exists() for file in files if has_regions)
        )


def refuse_existing(target: targets.Target, *, overwrite: bool, resume: bool) -> None:
    """Refuse to touch what is there unless a flag says so, and foreign folders in any case.

    Raises
    ------
    UsageError
        Naming what is there; also if both flags are set.
    """
    if overwrite and resume:
        msg = "--overwrite and --resume exclude each other: give one of them."
        raise errors.UsageError(msg)
    seen = f"{target.pieces} holds unfinished scores" if target.pieces.exists() else ""
    if target.exists():
        seen = f"{target.found()[0]} exists already"
    if seen and not (overwrite or resume):
        msg = f"{seen}: go on with --resume, replace it with --overwrite, or name another --out."
        raise errors.UsageError(msg)
    guard.refuse_foreign(target)


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
        self._lock: locks.Lock | None = None
        if rank == 0:
            with atomic.disk_errors("write to", folder):
                folder.mkdir(parents=True, exist_ok=True)
            atomic.create_file(folder / _LOCK, exist_ok=True)
            self._lock = atomic.claim(folder / _LOCK, folder)
        self._next = 1 + max((int(path.stem.split("-")[1]) for path in self.paths()), default=0)

    @property
    def is_fresh(self) -> bool:
        """Tell whether a finished score file is to be ignored."""
        return (self.folder / _FRESH).exists()

    def start_over(self) -> None:
        """Remove all pieces, and ignore a finished score file from now on."""
        with atomic.disk_errors("write to", self.folder):
            (self.folder / _FRESH).touch()
            for path in self.paths():
                path.unlink()

    def paths(self) -> list[Path]:
        """List the pieces, oldest first."""
        return sorted(self.folder.glob("piece-*.h5"))

    def add(self, assembly: assembling.Assembly, *, has_maps: bool) -> None:
        """Write a piece; it is there when this returns, whatever happens to the machine."""
        images = assembling.number_maps(assembly, assembly.rows, has_maps=has_maps)
        path = self.folder / _NAME.format(self._next, self.rank)
        with atomic.replacing(path, sweep=False) as partial:
            assembling.write_h5(assembly, assembly.rows, images, partial)
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
        scored: Sequence[columns.ScoredImage],
        schema: Schema,
        provenance: Provenance,
        *,
        has_maps: bool,
    ) -> None:
        self._scored = sorted(scored, key=lambda image: image.pair.id)
        num_classes = len(provenance.classes.names)
        self.images = columns.image_columns(self._scored, schema, num_classes=num_classes)
        self._regions = columns.region_columns(
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

    def regions(self, rows: range) -> Iterator[tuple[range, columns.Columns]]:
        """Yield the regions of all images."""
        first, last = np.searchsorted(self._regions["image"], [rows.start, rows.stop])
        block = columns.take(self._regions, slice(first, last))
        yield rows, block | {"image": block["image"] - rows.start}

    def packed(self, group: str, row: int) -> packing.PackedMap:
        """Return a map of an image."""
        return self._maps[group, row]


def _find_map(
    image: columns.ScoredImage, group: str, schema: Schema, stride: int
) -> packing.PackedMap | None:
    """Return a map that fits its image; None where there is nothing to map."""
    stream = schema.stream_groups.get(group)
    is_inactive = stream is not None and np.isnan(image.streams.get(stream, np.nan))
    if image.status != records.OK or is_inactive:
        return None
    found: packing.PackedMap | None = (
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
    raise errors.StoreError(msg)
