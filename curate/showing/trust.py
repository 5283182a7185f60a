"""By which run images were scored, and how far that can be trusted."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate import records, texts
from curate.errors import CurateError
from curate.files import state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from curate.showing.scored_sets import ScoredSets

FLAT: Final = 0.02
"""Scores of which four fifths lie within so little hardly tell images apart."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What the newest audit of the run found; numbers are NaN where it could not tell.

    Attributes
    ----------
    images : int
        Real images that corruptions were injected into.
    levels : dict of str to (float, float, float)
        AUROC of each level and its 95 % interval.
    corruptions : list of (str, float, float, float)
        Pixel AUROC and interval of each corruption, found best first.
    missed, inverted : list of str
        What was not found, or taken for more real.
    false_alarms, found : float
        Share of sound pixels lost by a threshold that finds so large a share of the others.
    """

    images: int
    levels: dict[str, tuple[float, float, float]]
    corruptions: list[tuple[str, float, float, float]]
    missed: list[str]
    inverted: list[str]
    false_alarms: float
    found: float


@dataclass(frozen=True, slots=True)
class Trust:
    """What a reader must know before the scores.

    Attributes
    ----------
    run : Path or None
        Folder of the run; None where it is not beside curate.toml.
    facts : dict of str to str
        What was scored by what.
    streams : list of (str, bool, float)
        Name of each stream, whether it is active, and its AUROC on held-out cells.
    audit : Audit or None
    warnings : list of str
    """

    run: Path | None
    facts: dict[str, str]
    streams: list[tuple[str, bool, float]]
    audit: Audit | None
    warnings: list[str] = field(default_factory=list)


def judge(sets: ScoredSets, *, project: Path) -> Trust:
    """Gather what is known of the run of some score files, and warn of what is suspicious."""
    said = sets.sources[0].scores.provenance
    folders = dict.fromkeys([project, *(own.scores.path.parent for own in sets.sources)])
    run = find_run(str(said.get("run")), folders)
    result = _as_table(_read(run / records.RUN_RECORD).get("result")) if run else {}
    measured = _as_table(result.get("measured"))
    streams = [
        (name, name in sets.active_streams, _number(measured.get(f"auroc_{name}")))
        for name in sets.streams
    ]
    audit = read_audit(_read(run / records.AUDIT_RECORD)) if run else None
    return Trust(
        run, _describe(sets, said, result), streams, audit, list(_warn(sets, audit, run, project))
    )


def find_run(run_id: str, folders: Iterable[Path]) -> Path | None:
    """Find the folder of a run by its id: under ``runs``, or remembered as the newest."""
    candidates: list[Path] = []
    for folder in folders:
        if (folder / "runs").is_dir():
            candidates += sorted((folder / "runs").iterdir())
        with suppress(CurateError):
            candidates.append(state.latest_run(folder))
    found = (c for c in candidates if _read(c / records.RUN_RECORD).get("run_id") == run_id)
    return next(found, None)


def read_audit(record: dict[str, Any]) -> Audit | None:
    """Read what ``curate audit`` keeps in a run's folder; None if it is nothing of the kind."""
    try:
        pixel, alarms = record["pixel"], record["false_alarm_rate"]
        inverted = [str(name) for name in record["inverted"]]
        corruptions = [
            (str(name), _number(area), *_interval(pixel["intervals"][name]))
            for name, area in pixel["by_corruption"].items()
            if isinstance(area, float)
        ]
        return Audit(
            images=int(record["images"]),
            levels={
                level: (_number(record[level]["auroc"]), *_interval(record[level]["interval"]))
                for level in reversed(records.LEVELS)
            },
            corruptions=sorted(corruptions, key=lambda each: -each[1]),
            missed=[str(name) for name in record["missed"] if name not in inverted],
            inverted=inverted,
            false_alarms=_number(alarms["rate"]),
            found=_number(alarms["found"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _describe(sets: ScoredSets, said: dict[str, Any], result: dict[str, Any]) -> dict[str, str]:
    """Say what was scored by what."""
    regions = len(sets.region_column("image")) if "region" in sets.about.levels else 0
    steps = f", {result['steps']:,} steps" if isinstance(result.get("steps"), int) else ""
    learned = ""
    if isinstance(result.get("num_real"), int) and isinstance(result.get("num_synthetic"), int):
        learned = f"{result['num_real']:,} real, {result['num_synthetic']:,} synthetic images"
    facts = {
        "Method": f"{said.get('method', 'unknown')}{steps}",
        "Learned from": learned,
        "Images": f"{int(sets.is_ok.sum()):,} of {sets.num_images:,} scored",
        "Regions": f"{regions:,}" if regions else "",
        "Levels": ", ".join(sets.about.levels),
        "Maps": f"one cell for {sets.about.stride}x{sets.about.stride} pixels",
        "Seed": str(said.get("seed", "")),
        "Run id": str(said.get("run", ""))[:12],
        "Checkpoint": str(said.get("checkpoint_sha256", ""))[:12],
        "Version": str(_as_table(said.get("versions")).get("curate-seg", "")),
    }
    return {name: text for name, text in facts.items() if text}


def _warn(sets: ScoredSets, audit: Audit | None, run: Path | None, project: Path) -> Iterator[str]:
    """Yield what a reader should be wary of."""
    failed = Counter(status for status in sets.texts("status") if status != records.OK)
    if failed:
        kinds = ", ".join(f"{count:,} {code}" for code, count in failed.most_common())
        yield f"{failed.total():,} of {sets.num_images:,} images have no score: {kinds}."
    scores = sets.column("score")[sets.is_ok]
    if len(scores):
        low, high = np.nanquantile(scores, (0.1, 0.9))
        if high - low < FLAT:
            low, high = f"{low:.3f}", f"{high:.3f}"
            told = f"between {low} and {high}" if low != high else f"at {low}"
            yield (
                f"The scores hardly differ: four fifths of the images lie {told}. Any cut is close "
                "to a random one."
            )
    if sets.streams and not sets.active_streams:
        yield "No stream is active: the scores are 0.5 everywhere and say nothing."
    shown = sets.column("class_px").sum(axis=0)
    if missing := [name for name, px in zip(sets.classes, shown, strict=True) if not px]:
        yield f"No scored image shows {', '.join(missing)}."
    for own, name in zip(sets.sources, sets.names, strict=True):
        if not own.root.is_dir():
            yield (
                f"{name} is no longer at {own.root}: its images are not shown. Put it back, or "
                "name its place with --dataset."
            )
    if audit is None:
        where = ""
        if run is not None:
            where = f" --run {run.relative_to(project) if run.is_relative_to(project) else run}"
        yield f"This run was not audited: 'curate audit{where}' tells what its scores can find."


def _read(path: Path) -> dict[str, Any]:
    """Read a JSON record; empty where there is none that can be read."""
    try:
        return _as_table(texts.parse_json(texts.read_bytes(path)))
    except (OSError, ValueError):
        return {}


def _as_table(value: object) -> dict[str, Any]:
    """Return a table, an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def _interval(values: Any) -> tuple[float, float]:  # noqa: ANN401
    """Unpack an interval."""
    low, high = values
    return _number(low), _number(high)


def _number(value: object) -> float:
    """Return a number, NaN in place of anything else."""
    return (
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) else np.nan
    )
