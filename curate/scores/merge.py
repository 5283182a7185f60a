"""Putting score files of parts of one data set together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from curate.errors import StoreError, UsageError
from curate.files.atomic import check_writable, remove_stale
from curate.records import OK
from curate.scores.assembling import Assembly, assemble
from curate.scores.columns import num_rows
from curate.scores.merging import merge
from curate.scores.provenance import encode, parse_provenance, refuse_mixing
from curate.scores.schema import SHARD_BYTES
from curate.scores.sources import Origin, OriginCache, open_origins
from curate.scores.targets import Target, refuse_foreign, resolve_target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Joined(NamedTuple):
    """What was put together.

    Attributes
    ----------
    images, scored, regions : int
        Images, those that have scores, and regions.
    missing : int
        Images of the data set that are in none of the files.
    """

    images: int
    scored: int
    regions: int
    missing: int


def join(paths: Sequence[Path], out: Path, *, overwrite: bool = False) -> Joined:
    """Put score files together; maps are copied as they are.

    Parameters
    ----------
    paths : sequence of Path
        Score files of any kind, of different images of one data set.
    out : Path
        ``NAME.h5``, ``NAME.parquet`` (tables only) or a folder (shards).
    overwrite : bool
        Replace a score file at `out`.

    Raises
    ------
    UsageError
        If `out` is there already, or one of the files.
    StoreError
        If a file is unfit, they come from different settings, or an image was scored in two.
    """
    target = resolve_target(out.absolute())
    if target.path in {resolve_target(path.absolute()).path for path in paths}:
        msg = f"--out {out} is one of the files to merge: name another one."
        raise UsageError(msg)
    if target.exists() and not overwrite:
        msg = f"{out} exists already: replace it with --overwrite, or name another --out."
        raise UsageError(msg)
    refuse_foreign(target)
    check_writable(target.path.parent)
    remove_stale(target.path)
    cache = OriginCache()
    try:
        return _join_origins(_open_all(paths, cache), target)
    finally:
        cache.close()


def _join_origins(origins: Sequence[Origin], target: Target) -> Joined:
    """Make sure that origins belong together, and write them down as one."""
    raw = [origin.header() for origin in origins]
    for origin, header in zip(origins[1:], raw[1:], strict=True):
        refuse_mixing(
            header.provenance,
            raw[0].provenance,
            where=str(origin.path),
            advice=f"Merge only what was scored as {origins[0].path} was.",
        )
    provenance = parse_provenance(raw[0].provenance, where=str(origins[0].path))
    num_classes = len(provenance.classes.names)
    _refuse_doubles(origins)
    merged = merge(origins, origins[0].schema, num_classes=num_classes)
    assembly = Assembly(
        merged=merged,
        levels=provenance.levels,
        num_classes=num_classes,
        stride=provenance.stride,
        provenance=encode(raw[0].provenance),
        dataset_root=raw[0].dataset_root,
        shard_bytes=SHARD_BYTES,
    )
    assemble(assembly, target)
    num_images = num_rows(merged.images)
    return Joined(
        images=num_images,
        scored=int((merged.images["status"] == OK).sum()),
        regions=int(merged.region_count.sum()),
        missing=max(0, (provenance.dataset.images or num_images) - num_images),
    )


def _open_all(paths: Sequence[Path], cache: OriginCache) -> list[Origin]:
    """List the origins of all score files."""
    origins = []
    for path in paths:
        found = open_origins(resolve_target(path.absolute()), cache)
        if not found:
            msg = f"{path} does not exist or holds no scores. Name files that 'curate score' wrote."
            raise StoreError(msg)
        origins += found
    return origins


def _refuse_doubles(origins: Sequence[Origin]) -> None:
    """Refuse an image that was scored in two files: there is no telling which one counts."""
    scored_in: dict[str, Path] = {}
    for origin in origins:
        images, _ = origin.load()
        for image_id in images["id"][images["status"] == OK]:
            if image_id in scored_in:
                msg = (
                    f"image '{image_id}' was scored in {scored_in[image_id]} and in {origin.path}. "
                    "Name each part once; parts must not overlap."
                )
                raise StoreError(msg)
            scored_in[image_id] = origin.path
