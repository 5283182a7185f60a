"""Put the score files of the parts of a data set together."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import UsageError
from curate.files.state import remember
from curate.reporting import LogReporter, Reporter
from curate.scores.merge import join

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What `merge` did.

    Attributes
    ----------
    out : Path
    files : int
        Score files that were put together.
    images, scored, failed : int
        Images in the new file, those that have scores, and those that have none.
    missing : int
        Images of the data set that are in none of the files.
    regions : int
        Rows of the region table.
    seconds : float
    """

    out: Path
    files: int
    images: int
    scored: int
    failed: int
    missing: int
    regions: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return asdict(self) | {"out": str(self.out)}


def merge(
    scores: Sequence[Path | str],
    out: Path | str,
    *,
    root: Path | str | None = None,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> MergeResult:
    """Put score files together that ``score(.., shard="1/8")`` and its like wrote.

    Parameters
    ----------
    scores : sequence of Path
        Of different images of one data set, scored by one run with the same settings.
    out : Path
        ``weights.h5``, ``weights.parquet`` (tables only) or a folder (shards).
    root : Path, optional
        Folder of curate.toml, where `out` is remembered as the newest score file.
    overwrite : bool
        Replace `out`.

    Raises
    ------
    UsageError
        If there is nothing to merge, or `out` exists.
    StoreError
        If a file is unfit, they come from different settings, or an image was scored in two.
    """
    reporter = reporter or LogReporter()
    started = time.monotonic()
    if not scores:
        msg = "nothing to merge: name the score files of all parts."
        raise UsageError(msg)
    joined = join([Path(path) for path in scores], Path(out), overwrite=overwrite)
    remember(Path(root or Path.cwd()), scores=Path(out))
    if joined.missing:
        reporter.warn(
            f"{joined.missing:,} images of the data set are in none of the files: the merged file "
            f"holds {joined.images:,}. Score the missing parts and merge all of them."
        )
    return MergeResult(
        out=Path(out),
        files=len(scores),
        images=joined.images,
        scored=joined.scored,
        failed=joined.images - joined.scored,
        missing=joined.missing,
        regions=joined.regions,
        seconds=round(time.monotonic() - started, 2),
    )
