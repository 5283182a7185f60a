"""What an audit found, as a table, a file and plain values."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from curate import errors, records
from curate.auditing.measures import FOUND
from curate.files import transfer
from curate.files.atomic import check_writable, replacing, write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from curate import reporting

ALL: Final = "all"
"""Stands for every corruption, or every strength, in the table."""

MIN_AUROC: Final = 0.6
"""A corruption that pixel scores find less well than this counts as missed."""

TABLE_SUFFIXES: Final = (".csv", ".parquet")
"""Of files that the table can be written to."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit found.

    Attributes
    ----------
    run : Path
    images : int
        Real images that corruptions were injected into.
    corruptions, strengths : tuple of str
        What was injected.
    table : DataFrame
        One row for each level, score, corruption and strength; at ``pixel`` level also for each
        level's own network and for each stream, NaN for an inactive one. ``level`` is ``pixel``
        (sound against corrupted pixels), ``region`` (mostly sound ones against the others) or
        ``image`` (untouched against corrupted ones). ``auroc``, ``average_precision`` and
        ``false_alarm`` each with ``_low`` and ``_high``, the 95 % interval over images;
        ``sound_share``, the average precision of scores without information; ``spearman``, the
        rank correlation of an image's score with its share of sound pixels; ``images`` and
        ``corrupted_share``.
    seconds : float
    out : Path or None
        Where the table was written.
    streams : tuple of str
        Of the run; in the table, scores of their name.
    found : float
        Share of the corrupted pixels that the threshold of ``false_alarm`` finds.
    """

    run: Path
    images: int
    corruptions: tuple[str, ...]
    strengths: tuple[str, ...]
    table: pd.DataFrame
    seconds: float
    out: Path | None = None
    streams: tuple[str, ...] = ()
    found: float = FOUND

    def value(
        self,
        column: str,
        level: str,
        *,
        corruption: str = ALL,
        strength: str = ALL,
        score: str = records.SCORE_NAMES[0],
    ) -> float:
        """Look one measure up, NaN where it could not be taken."""
        wanted = {"level": level, "corruption": corruption, "strength": strength, "score": score}
        rows = self.table
        for name, key in wanted.items():
            rows = rows[rows[name] == key]
        return float(rows[column].iloc[0])

    def interval(self, column: str, level: str, **where: str) -> tuple[float, float]:
        """Look the 95 % interval of a measure up."""
        low, high = (self.value(f"{column}_{end}", level, **where) for end in ("low", "high"))
        return low, high

    def missed(self) -> dict[str, list[str]]:
        """Name the corruptions that pixel scores do not find, and at which strengths.

        Not found: the AUROC is below 0.6, or its interval reaches down to 0.5.
        """
        found: dict[str, list[str]] = {}
        for name in self.corruptions:
            for strength in self.strengths:
                where = {"corruption": name, "strength": strength}
                low, _ = self.interval("auroc", "pixel", **where)
                if self.value("auroc", "pixel", **where) < MIN_AUROC or low <= 0.5:
                    found.setdefault(name, []).append(strength)
        return found

    def inverted(self) -> list[str]:
        """Name the corruptions whose pixels score above sound ones: their interval is below 0.5."""
        ends = {n: self.interval("auroc", "pixel", corruption=n)[1] for n in self.corruptions}
        return [name for name, high in ends.items() if high < 0.5]

    def not_injected(self) -> list[str]:
        """Name the corruptions that could be injected into no image."""
        images = {n: self.value("images", "pixel", corruption=n) for n in self.corruptions}
        return [name for name, number in images.items() if number == 0]

    def best_stream(self, corruption: str) -> str | None:
        """Name the stream that finds a corruption best, None where none does: AUROC below 0.6."""
        areas = {
            name: self.value("auroc", "pixel", corruption=corruption, score=name)
            for name in self.streams
        }
        found = {name: area for name, area in areas.items() if area >= MIN_AUROC}
        return max(found, key=found.__getitem__, default=None)

    def best_first(self) -> list[str]:
        """Name the corruptions that could be injected, those that pixel scores find best first."""
        injected = [name for name in self.corruptions if name not in self.not_injected()]
        return sorted(injected, key=lambda name: -self.value("auroc", "pixel", corruption=name))

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        levels = {level: self._level(level) for level in reversed(records.LEVELS)}
        own = {name: self._areas("pixel", score=name) for name in records.SCORE_NAMES[1:]}
        return {
            "run": str(self.run),
            "images": self.images,
            **levels,
            "networks": own,
            "by_stream": {
                name: self._by_corruption("auroc", "pixel", score=name) for name in self.streams
            },
            "false_alarm_rate": {
                "found": self.found,
                "rate": self._round("false_alarm", "pixel"),
                "interval": self._interval("false_alarm", "pixel"),
                "by_corruption": self._by_corruption("false_alarm", "pixel"),
            },
            "missed": self.missed(),
            "inverted": self.inverted(),
            "not_injected": self.not_injected(),
            "out": str(self.out) if self.out else None,
            "seconds": self.seconds,
        }

    def _level(self, level: str) -> dict[str, Any]:
        """Everything about one level."""
        measured = self._areas(level) | {
            "interval": self._interval("auroc", level),
            "intervals": {
                name: self._interval("auroc", level, corruption=name) for name in self.corruptions
            },
            "by_strength": {
                name: {
                    strength: self._round("auroc", level, corruption=name, strength=strength)
                    for strength in self.strengths
                }
                for name in self.corruptions
            },
            "average_precision": self._round("average_precision", level),
            "average_precision_by_corruption": self._by_corruption("average_precision", level),
            "sound_share": self._round("sound_share", level),
        }
        if level == "image":
            measured["spearman"] = self._round("spearman", level)
        return measured

    def _areas(self, level: str, **where: str) -> dict[str, Any]:
        """AUROC of a level, over all corruptions and by corruption."""
        return {
            "auroc": self._round("auroc", level, **where),
            "by_corruption": self._by_corruption("auroc", level, **where),
        }

    def _by_corruption(self, column: str, level: str, **where: str) -> dict[str, float]:
        """One measure of every corruption."""
        return {
            name: self._round(column, level, corruption=name, **where) for name in self.corruptions
        }

    def _round(self, column: str, level: str, **where: str) -> float:
        """One measure with four decimals."""
        return round(self.value(column, level, **where), 4)

    def _interval(self, column: str, level: str, **where: str) -> list[float]:
        """One interval with four decimals."""
        return [round(end, 4) for end in self.interval(column, level, **where)]


def check_table_path(path: Path, *, overwrite: bool) -> None:
    """Make sure, before the work, that a table can be written.

    Raises
    ------
    UsageError
        If the suffix is unknown, or the file exists and `overwrite` is not set.
    StoreError
        If its folder cannot be written to.
    """
    if path.suffix not in TABLE_SUFFIXES:
        msg = f"{path} is no name for a table: it has to end in {' or '.join(TABLE_SUFFIXES)}."
        raise errors.UsageError(msg)
    if path.is_dir() or (path.exists() and not overwrite):
        msg = f"{path} exists. Replace it with --overwrite, or name another file."
        raise errors.UsageError(msg)
    check_writable(path.parent)


def write_table(table: pd.DataFrame, path: Path, *, is_kept: bool = False) -> None:
    """Write a table whole or not at all.

    Parameters
    ----------
    is_kept : bool
        Whether a file that is there must hold this very table.

    Raises
    ------
    UsageError
        If it holds another one.
    """
    with replacing(path) as partial:
        if path.suffix == ".csv":
            table.to_csv(partial, index=False)
        else:
            table.to_parquet(partial, index=False)
        if is_kept and path.exists() and path.read_bytes() != partial.read_bytes():
            msg = f"{path} holds another audit. Replace it with --overwrite, or name another file."
            raise errors.UsageError(msg)


def keep_record(found: AuditResult, reporter: reporting.Reporter) -> None:
    """Keep what an audit found in the run's folder; one that cannot be written to is no error."""
    content = json.dumps(_without_nan(found.to_json()), indent=2, allow_nan=False)
    try:
        with transfer.staged(found.run / records.AUDIT_RECORD, overwrite=True) as path:
            write_bytes(path, f"{content}\n".encode())
    except errors.StoreError as error:
        reporter.warn(f"Reports of this run's scores will not show the audit: {error}")


def _without_nan(value: Any) -> Any:  # noqa: ANN401
    """Put None in place of NaN, at any depth."""
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
