"""Writing a score file piece by piece, so that it can be interrupted at any moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from curate.errors import StoreError, UsageError
from curate.files.atomic import check_writable, remove_folder, remove_stale
from curate.records import LEVELS, OK
from curate.scores.assembling import Assembly, assemble
from curate.scores.ids import IdBook, check_text
from curate.scores.merging import merge
from curate.scores.pieces import Pieces, make_piece
from curate.scores.provenance import decode, encode, refuse_mixing, schema_of
from curate.scores.schema import SHARD_BYTES
from curate.scores.sources import Origin, OriginCache, PieceOrigin, open_origins
from curate.scores.targets import Kind, Target, refuse_foreign, resolve_target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curate.records import ScoredImage


class ScoreWriter:
    """Writer of a score file.

    Finished pieces wait in ``<out>.parts/`` until `finish` puts them together. Whatever happens
    in between, a new writer with ``resume=True`` goes on from there.

    Parameters
    ----------
    out : Path
        ``NAME.h5``, ``NAME.parquet`` (tables only) or a folder (shards).
    provenance : dict
        What the scores depend on; must be JSON. Its keys ``streams`` and ``stream_maps``, where
        they are there, tell which streams have columns, and whether they have maps.
    num_classes : int
    stride : int
        Pixels of the original image per cell of a map.
    dataset_root : Path
        Where the data set is; written down as an absolute path.
    levels : tuple of str
        Without ``pixel`` no pixel maps are kept, without ``region`` no regions.
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
        num_classes: int,
        stride: int,
        dataset_root: Path,
        levels: Sequence[str] = LEVELS,
        overwrite: bool = False,
        resume: bool = False,
        shard_bytes: int = SHARD_BYTES,
        rank: int = 0,
    ) -> None:
        self.done: set[str] = set()
        self._target = resolve_target(out.absolute())
        self._provenance = encode(provenance)
        self._schema = schema_of(provenance, where="the provenance")
        self._dataset_root = str(dataset_root.resolve())
        self._num_classes, self._stride = num_classes, stride
        self._levels, self._shard_bytes = tuple(levels), shard_bytes
        self._ids = IdBook()
        self._cache = OriginCache()
        if rank == 0:
            check_writable(self._target.path.parent)
            for path in (self._target.path, self._target.parts):
                remove_stale(path)
            _refuse_existing(self._target, overwrite=overwrite, resume=resume)
        self._pieces = Pieces(self._target.parts, rank=rank)
        if rank == 0:
            self._begin(overwrite=overwrite)

    def append(self, batch: Sequence[ScoredImage]) -> None:
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
            raise StoreError(msg)
        for image in batch:
            self._ids.add(image.pair.id)
            check_text(image.pair.image_path, "image path")
            check_text(image.pair.label_path, "label path")
        has_maps = self._target.kind is not Kind.TABLES
        piece = make_piece(
            batch,
            self._levels,
            self._schema,
            num_classes=self._num_classes,
            stride=self._stride if has_maps else None,
        )
        self._pieces.add(piece, provenance=self._provenance, dataset_root=self._dataset_root)
        self.done.update(image.pair.id for image in batch if image.status == OK)

    def finish(self) -> int:
        """Put all pieces together, sorted by image id, and remove the work folder.

        Returns
        -------
        num_regions : int
            Rows of the region table.
        """
        merged = merge(self._origins(), self._schema, num_classes=self._num_classes)
        if not self._is_complete():
            assembly = Assembly(
                merged=merged,
                levels=self._levels,
                num_classes=self._num_classes,
                stride=self._stride,
                provenance=self._provenance,
                dataset_root=self._dataset_root,
                shard_bytes=self._shard_bytes,
            )
            assemble(assembly, self._target)
        self.close()
        remove_folder(self._target.parts)
        return int(merged.region_count.sum())

    def close(self) -> None:
        """Release the work folder; its pieces stay."""
        self._cache.close()
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
        for origin in self._origins():
            self._refuse_other(origin.header().provenance, origin.path)
            images, _ = origin.load()
            for image_id, status in zip(images["id"], images["status"], strict=True):
                self._ids.add(image_id)
                if status == OK:
                    self.done.add(image_id)

    def _origins(self) -> list[Origin]:
        """List everything that is finished, oldest first."""
        pieces = [PieceOrigin(path, self._cache) for path in self._pieces.paths()]
        return [*self._base(), *pieces]

    def _base(self) -> list[Origin]:
        """List the finished files that the pieces add to, unless they are to be replaced."""
        return [] if self._pieces.is_fresh else open_origins(self._target, self._cache)

    def _is_complete(self) -> bool:
        """Tell whether a finished score file is there and nothing was added to it."""
        tables = [self._target.images_table]
        if "region" in self._levels:
            tables.append(self._target.regions_table)
        return (
            bool(self._base())
            and not self._pieces.paths()
            and all(table.exists() for table in tables)
        )

    def _refuse_other(self, found: Mapping[str, Any], path: Path) -> None:
        """Refuse to add to scores that were made with other settings."""
        refuse_mixing(
            found,
            decode(self._provenance, where="the provenance"),
            where=str(path),
            advice="Use the same settings again, start over with --overwrite, or name another "
            "--out.",
        )


def _refuse_existing(target: Target, *, overwrite: bool, resume: bool) -> None:
    """Refuse to touch what is there unless a flag says so, and foreign folders in any case."""
    if overwrite and resume:
        msg = "--overwrite and --resume exclude each other: give one of them."
        raise UsageError(msg)
    if not (target.exists() or target.parts.exists()):
        return
    if not (overwrite or resume):
        is_there = f"{target.path} exists already"
        unfinished = f"{target.parts} holds unfinished scores"
        msg = (
            f"{is_there if target.exists() else unfinished}: go on with --resume, replace it with "
            "--overwrite, or name another --out."
        )
        raise UsageError(msg)
    refuse_foreign(target)
