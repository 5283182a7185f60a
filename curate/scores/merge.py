"""Putting the score files of the parts of a data set together, without unpacking a map."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate import errors, records, remote, reporting
from curate.cluster import parts
from curate.files import atomic, state
from curate.scores import assembling, columns, guard, score_file, tables_arrow, targets
from curate.scores.provenance import PARTIAL, Header, join_headers, parse_provenance
from curate.scores.sources import Loaded, Merged, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What `merge` did.

    Attributes
    ----------
    out : Path
    parts : int
        Score files that were put together.
    images, scored, failed : int
        Images in the new file, those that have scores, and those that have none.
    missing : int
        Images of the data set that are in none of the files.
    missing_parts : tuple of int
        Numbers of the parts of a folder that are missing or damaged.
    regions : int
        Rows of the region table.
    seconds : float
    """

    out: Path
    parts: int
    images: int
    scored: int
    failed: int
    missing: int
    regions: int
    seconds: float
    missing_parts: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return asdict(self) | {"out": str(self.out)}


def merge(
    scores: Sequence[Path | str],
    out: Path | str,
    *,
    root: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    partial: bool = False,
    reporter: reporting.Reporter | None = None,
) -> MergeResult:
    """Put score files together that ``score(.., shard="1/8")`` and its like wrote.

    Parameters
    ----------
    scores : sequence of Path
        Score files of any kind, of different images, scored by one run with the same settings. Of
        several data sets, the name of theirs is put in front of the ids: ``<name>/``. Or folders
        that ``score(.., shard="auto/8")`` filled, ``weights.h5.parts``: all parts in them.
    out : Path
        ``weights.h5``, ``weights.parquet`` (tables only) or a folder (shards).
    root : Path, optional
        Folder of curate.toml, where `out` is remembered as the newest score file.
    overwrite : bool
        Replace `out`.
    resume : bool
        Leave `out` as it is where an earlier call has put the same together, and finish what was
        interrupted; anything else at `out` is replaced with `overwrite` only.
    partial : bool
        Put together what is there, though parts or images are missing; the provenance of `out`
        then says so, under ``partial``.

    Raises
    ------
    UsageError
        If there is nothing to merge, or `out` exists and is not to be replaced.
    StoreError
        If a file is unfit, they come from different settings, an image was scored in two, or
        something is missing and `partial` was not asked for.
    """
    reporter = reporter or reporting.default_reporter()
    if remote.is_url(out):
        options = {"overwrite": overwrite, "resume": resume}
        with targets.staged(out, **options) as path:
            made = merge(scores, path, root=root, partial=partial, reporter=reporter, **options)
        state.note(Path(root or Path.cwd()), reporter, scores=[remote.as_path(out)])
        return replace(made, out=remote.as_path(out))
    started = time.monotonic()
    paths = [targets.fetch(path) if remote.is_url(path) else Path(path) for path in scores]
    target = _choose_target(paths, Path(out), overwrite=overwrite, resume=resume)
    found = _Found()
    missing_parts = _load_all(paths, found, reporter, partial=partial)
    sources = found.sources
    header, prefixes = join_headers([s.header for s in sources], [s.path for s in sources])
    provenance = parse_provenance(header.provenance, where=str(sources[0].path))
    loaded = [each.prefixed(own) for each, own in zip(found.loaded, prefixes, strict=True)]
    _refuse_doubles(sources, loaded)
    schema, num_classes = sources[0].schema, len(provenance.classes.names)
    merged = Merged(sources, schema, num_classes=num_classes, loaded=loaded)
    num_images = columns.num_rows(merged.images)
    missing = max(0, (provenance.dataset.images or num_images) - num_images)
    if missing and not partial:
        msg = (
            f"{missing:,} images of the data set are in none of the files, which hold "
            f"{num_images:,}. Name the files of all parts, or let merge "
            "take what is there with --partial."
        )
        raise errors.StoreError(msg)
    try:
        header = _describe(header, merged.means, missing, missing_parts)
        is_made = resume and _is_made(target, header, merged.images, overwrite=overwrite)
        if not is_made:
            assembling.assemble(assembling.Assembly(merged, provenance, header, schema), target)
    finally:
        merged.close()
    state.note(Path(root or Path.cwd()), reporter, scores=[Path(out)])
    num_scored = int((merged.images["status"] == records.OK).sum())
    if missing:
        reporter.warn(
            f"{missing:,} images of the data set are in none of the files: the merged file holds "
            f"{num_images:,}. Score the missing parts and merge all of them."
        )
    return MergeResult(
        out=Path(out),
        parts=found.count,
        images=num_images,
        scored=num_scored,
        failed=num_images - num_scored,
        missing=missing,
        regions=int(merged.region_count.sum()),
        seconds=round(time.monotonic() - started, 2),
        missing_parts=missing_parts,
    )


@dataclass(slots=True)
class _Found:
    """The score files that are put together, and what is kept in memory of each of their files."""

    count: int = 0
    sources: list[score_file.ScoreFile] = field(default_factory=list)
    loaded: list[Loaded] = field(default_factory=list)

    def add(self, path: Path) -> None:
        """Open all files of a score file, and load their image tables."""
        files = targets.resolve_target(path.absolute()).files()
        if not files:
            msg = f"{path} does not exist or holds no scores. Name files that 'curate score' wrote."
            raise errors.StoreError(msg)
        self.count += 1
        for file in files:
            self.sources.append(score_file.ScoreFile(file.path))
            self.loaded.append(load(self.sources[-1]))


def _load_all(
    given: Iterable[Path], found: _Found, reporter: reporting.Reporter, *, partial: bool
) -> tuple[int, ...]:
    """Load what is to be put together; return the numbers of parts that are missing or damaged.

    Checksums of the parts of a folder are computed while those before them are loaded.
    """
    missing = list[int]()
    for path in given:
        if not parts.is_folder_of_parts(path):
            found.add(path)
            continue
        seen = parts.survey(path, reporter, found.add)
        missing += seen.problems
        if seen.problems and not (partial and seen.whole):
            msg = f"{seen.explain()}\nMake them and merge again, or add --partial."
            raise errors.StoreError(msg)
    if not found.count:
        msg = "nothing to merge: name the score files of all parts, or their folder."
        raise errors.UsageError(msg)
    return tuple(missing)


def _describe(
    header: Header, means: tuple[float, ...], missing: int, missing_parts: Sequence[int]
) -> Header:
    """Say what the merged file is, and what it lacks."""
    plain = {key: value for key, value in header.provenance.items() if key != PARTIAL}
    lacks = {PARTIAL: {"images": missing, "parts": list(missing_parts)}}
    is_partial = missing > 0 or len(missing_parts) > 0
    return header._replace(weight_means=means, provenance=plain | (lacks if is_partial else {}))


def _choose_target(
    scores: Sequence[Path], out: Path, *, overwrite: bool, resume: bool
) -> targets.Target:
    """Refuse an output that is in the way, or cannot be written, before any work is done."""
    target = targets.resolve_target(out.absolute())
    given = {targets.resolve_target(path.absolute()).path for path in scores}
    if not given.isdisjoint({target.path, target.path.parent}):
        msg = f"--out {out} is one of the files to merge: name another one."
        raise errors.UsageError(msg)
    if target.exists() and not (overwrite or resume):
        seen = target.found()[0]
        msg = (
            f"{seen} exists already: go on with --resume, replace it with --overwrite, or name "
            "another --out."
        )
        raise errors.UsageError(msg)
    guard.refuse_foreign(target)
    atomic.check_writable(target.path.parent)
    atomic.remove_stale(target.path)
    return target


def _is_made(
    target: targets.Target, header: Header, images: columns.Columns, *, overwrite: bool
) -> bool:
    """Tell whether an earlier call wrote all files; refuse those that say that they hold others."""
    if not target.exists():
        return False
    made = header, tables_arrow.pair_token(images["id"], images["score"])
    if any(_read_about(path, target.kind) != made for path in target.found()):
        if overwrite:
            return False
        msg = (
            f"{target.found()[0]} holds other scores than these files make: replace it with "
            "--overwrite, or name another --out."
        )
        raise errors.UsageError(msg)
    levels = header.provenance["levels"]
    needed = [path for path in target.places if "region" in levels or path != target.regions_table]
    return all(map(os.path.lexists, needed))


def _read_about(path: Path, kind: targets.Kind) -> tuple[Header, str]:
    """Read what a file says of itself, and the checksum of its ids and scores."""
    if kind is not targets.Kind.SHARDS and path.suffix == ".parquet":
        return tables_arrow.read_about(path)
    with score_file.ScoreFile(path) as file:
        ids, scores = file.image_column("id"), file.image_column("score")
        return file.header, tables_arrow.pair_token(ids.to_pylist(), scores)


def _refuse_doubles(sources: Sequence[score_file.ScoreFile], loaded: Sequence[Loaded]) -> None:
    """Refuse an image that was scored in two files: there is no telling which one counts."""
    scored_in: dict[str, Path] = {}
    for source, (images, _) in zip(sources, loaded, strict=True):
        for image_id in images["id"][images["status"] == records.OK].tolist():
            if image_id in scored_in:
                msg = (
                    f"image '{image_id}' was scored in {scored_in[image_id]} and in {source.path}. "
                    "Name each part once; parts must not overlap."
                )
                raise errors.StoreError(msg)
            scored_in[image_id] = source.path
