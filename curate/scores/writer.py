"""Writing a score file piece by piece, so that it can be interrupted at any moment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

from curate.errors import StoreError, UsageError
from curate.files.atomic import check_writable, remove_folder, remove_stale
from curate.records import OK
from curate.scores.assembling import Assembly, assemble
from curate.scores.checks import check_ids, check_text
from curate.scores.pieces import Piece, Pieces
from curate.scores.provenance import (
    Header,
    parse_provenance,
    refuse_mixing,
    schema_of,
)
from curate.scores.schema import SHARD_BYTES
from curate.scores.sources import Merged, open_closed, open_files
from curate.scores.targets import Target, refuse_foreign, resolve_target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curate.records import ScoredImage
    from curate.scores.score_file import ScoreFile
    from curate.scores.sources import Content


class ScoreWriter:
    """Writer of a score file.

    Finished pieces wait in ``<out>.parts/`` until `finish` puts them together. Whatever happens
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
        shard_bytes: int = SHARD_BYTES,
        rank: int = 0,
    ) -> None:
        self.done: set[str] = set()
        self._target = resolve_target(out.absolute())
        self._provenance = parse_provenance(provenance, where="the provenance")
        self._schema = schema_of(provenance, where="the provenance")
        # as it will be when it is read again: lists, where these are tuples
        self._header = Header(json.loads(json.dumps(provenance)), str(dataset_root.resolve()))
        self._shard_bytes = shard_bytes
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
        check_ids(image.pair.id for image in batch)
        for image in batch:
            check_text(image.pair.image_path, "image path")
            check_text(image.pair.label_path, "label path")
        has_maps = self._target.has_maps
        piece = Piece(batch, self._schema, self._provenance, has_maps=has_maps)
        self._pieces.add(self._assembly(piece), has_maps=has_maps)
        self.done.update(image.pair.id for image in batch if image.status == OK)

    def finish(self) -> int:
        """Put all pieces together, sorted by image id, and remove the work folder.

        Returns
        -------
        num_regions : int
            Rows of the region table.
        """
        num_classes = len(self._provenance.classes.names)
        merged = Merged(self._sources(), self._schema, num_classes=num_classes)
        try:
            if not self._is_complete():
                assemble(self._assembly(merged), self._target)
        finally:
            merged.close()
        self.close()
        remove_folder(self._target.parts)
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

    def _assembly(self, content: Content) -> Assembly:
        """Put together all that a file is made of."""
        header = self._header._replace(weight_means=content.means)
        return Assembly(content, self._provenance, header, self._schema, self._shard_bytes)

    def _sources(self) -> list[ScoreFile]:
        """List everything that is finished, oldest first."""
        finished = [] if self._pieces.is_fresh else open_files(self._target)
        return [*finished, *map(open_closed, self._pieces.paths())]

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
