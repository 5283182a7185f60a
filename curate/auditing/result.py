"""What an audit found, as a table, as plain values and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from curate.auditing.measures import FOUND
from curate.records import LEVELS, SCORE_NAMES

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

ALL: Final = "all"
"""Stands for every kind, or every strength, in the table."""

MIN_AUROC: Final = 0.6
"""A fault that pixel scores find less well than this counts as not seen."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit found.

    Attributes
    ----------
    run : Path
    images : int
        Real images that faults were planted in.
    kinds, strengths : tuple of str
    table : DataFrame
        One row for each level, score, kind and strength; at ``pixel`` level also for each level's
        own network and for each stream, NaN for one that is silent. ``level`` is ``pixel``
        (unspoiled against spoiled pixels), ``region`` (mostly unspoiled ones against the others)
        or ``image`` (untouched against planted ones). ``auroc``, ``average_precision`` and
        ``false_alarm`` each with ``_low`` and ``_high``, the 95 % interval over images;
        ``good_share``, the average precision of scores that know nothing; ``spearman``, the rank
        correlation of an image's score with its share of unspoiled pixels; ``images`` and
        ``corrupted_share``.
    seconds : float
    out : Path or None
        Where the table was written.
    streams : tuple of str
        The kinds of evidence that the run keeps apart; in the table, scores of their name.
    found : float
        Share of the spoiled pixels that the threshold of ``false_alarm`` finds.
    """

    run: Path
    images: int
    kinds: tuple[str, ...]
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
        kind: str = ALL,
        strength: str = ALL,
        score: str = SCORE_NAMES[0],
    ) -> float:
        """Look one measure up, NaN where it could not be taken."""
        wanted = {"level": level, "kind": kind, "strength": strength, "score": score}
        rows = self.table
        for name, key in wanted.items():
            rows = rows[rows[name] == key]
        return float(rows[column].iloc[0])

    def interval(self, column: str, level: str, **where: str) -> tuple[float, float]:
        """Look the 95 % interval of a measure up."""
        low, high = (self.value(f"{column}_{end}", level, **where) for end in ("low", "high"))
        return low, high

    def unseen(self) -> dict[str, list[str]]:
        """Name the kinds that pixel scores do not find, and at which strengths.

        Not found: the AUROC is below 0.6, or its interval reaches down to 0.5.
        """
        found: dict[str, list[str]] = {}
        for kind in self.kinds:
            for strength in self.strengths:
                where = {"kind": kind, "strength": strength}
                low, _ = self.interval("auroc", "pixel", **where)
                if self.value("auroc", "pixel", **where) < MIN_AUROC or low <= 0.5:
                    found.setdefault(kind, []).append(strength)
        return found

    def inverted(self) -> list[str]:
        """Name the kinds whose pixels score above unspoiled ones: their interval is below 0.5."""
        return [k for k in self.kinds if self.interval("auroc", "pixel", kind=k)[1] < 0.5]

    def not_injected(self) -> list[str]:
        """Name the kinds that could be planted in no image."""
        return [kind for kind in self.kinds if self.value("images", "pixel", kind=kind) == 0]

    def best_stream(self, kind: str) -> str | None:
        """Name the stream that finds a kind best, None where none finds it: AUROC below 0.6."""
        areas = {n: self.value("auroc", "pixel", kind=kind, score=n) for n in self.streams}
        found = {name: area for name, area in areas.items() if area >= MIN_AUROC}
        return max(found, key=found.__getitem__, default=None)

    def best_first(self) -> list[str]:
        """Name the kinds that could be planted, those that pixel scores find best first."""
        injected = [kind for kind in self.kinds if kind not in self.not_injected()]
        return sorted(injected, key=lambda kind: -self.value("auroc", "pixel", kind=kind))

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        levels = {level: self._level(level) for level in reversed(LEVELS)}
        own = {name: self._areas("pixel", score=name) for name in SCORE_NAMES[1:]}
        return {
            "run": str(self.run),
            "images": self.images,
            **levels,
            "networks": own,
            "by_stream": {
                name: self._by_kind("auroc", "pixel", score=name) for name in self.streams
            },
            "false_alarm_rate": {
                "found": self.found,
                "rate": self._round("false_alarm", "pixel"),
                "interval": self._interval("false_alarm", "pixel"),
                "by_corruption": self._by_kind("false_alarm", "pixel"),
            },
            "unseen": self.unseen(),
            "inverted": self.inverted(),
            "not_injected": self.not_injected(),
            "out": str(self.out) if self.out else None,
            "seconds": self.seconds,
        }

    def _level(self, level: str) -> dict[str, Any]:
        """Everything about one level."""
        measured = self._areas(level) | {
            "interval": self._interval("auroc", level),
            "intervals": {kind: self._interval("auroc", level, kind=kind) for kind in self.kinds},
            "by_strength": {
                kind: {
                    s: self._round("auroc", level, kind=kind, strength=s) for s in self.strengths
                }
                for kind in self.kinds
            },
            "average_precision": self._round("average_precision", level),
            "average_precision_by_corruption": self._by_kind("average_precision", level),
            "good_share": self._round("good_share", level),
        }
        if level == "image":
            measured["spearman"] = self._round("spearman", level)
        return measured

    def _areas(self, level: str, **where: str) -> dict[str, Any]:
        """AUROC of a level, over all kinds and by kind."""
        return {
            "auroc": self._round("auroc", level, **where),
            "by_corruption": self._by_kind("auroc", level, **where),
        }

    def _by_kind(self, column: str, level: str, **where: str) -> dict[str, float]:
        """One measure of every kind."""
        return {kind: self._round(column, level, kind=kind, **where) for kind in self.kinds}

    def _round(self, column: str, level: str, **where: str) -> float:
        """One measure with four decimals."""
        return round(self.value(column, level, **where), 4)

    def _interval(self, column: str, level: str, **where: str) -> list[float]:
        """One interval with four decimals."""
        return [round(end, 4) for end in self.interval(column, level, **where)]
