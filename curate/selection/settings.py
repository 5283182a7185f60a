"""What an export is asked for, and whether a score file can serve it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.errors import UsageError, did_you_mean
from curate.records import LEVELS, SCORE_NAMES
from curate.selection.formats import FORMATS
from curate.selection.media import MEDIA

if TYPE_CHECKING:
    from collections.abc import Collection

    from curate.reporting import Reporter
    from curate.selection.choose import Choice
    from curate.selection.cuts import Cut
    from curate.selection.source import SubsetSource

RANKABLE: Final = {"image": SCORE_NAMES, "region": ("score",), "pixel": ("score",)}
"""Columns that each unit can be ranked by; each stream of the score file is one more."""


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What was asked for; see `export_subset`."""

    by: str
    cut: Cut
    per_class: bool
    rank_by: str
    media: str
    format: str

    @property
    def files_needed(self) -> tuple[str, ...]:
        """Return which files of the data set are touched, by the columns that name them.

        With ``media="none"`` those that are only linked or copied are not even looked at.
        """
        rewrites_labels = self.by != "image" or FORMATS[self.format].needs_label_maps
        if self.media != "none":
            return ("image_path", "label_path")
        return ("label_path",) if rewrites_labels else ()


def check_settings(settings: ExportSettings) -> None:
    """Refuse unknown names, and combinations that make no sense."""
    _check_name("--by", settings.by, LEVELS)
    _check_name("--media", settings.media, MEDIA)
    _check_name("--format", settings.format, FORMATS)
    if settings.per_class and settings.by == "image" and settings.rank_by != "score":
        msg = (
            f"--rank-by {settings.rank_by} is not available for images --per-class: their scores "
            "by class are those of the combined score alone. Leave one of them out, or use --by "
            "region or --by pixel."
        )
        raise UsageError(msg)
    if settings.per_class and settings.cut.policy == "threshold" and settings.by != "image":
        msg = (
            f"--threshold {settings.cut.value} keeps the same {settings.by}s with and without "
            "--per-class: leave one of them out."
        )
        raise UsageError(msg)
    usable = FORMATS[settings.format].media
    if settings.media not in usable:
        msg = (
            f"--format {settings.format} names the original files and places none, which "
            f"contradicts --media {settings.media}: use --media {' or '.join(usable)}."
        )
        raise UsageError(msg)


def _check_name(flag: str, name: str, known: Collection[str]) -> None:
    """Refuse a name that is not in a list."""
    if name not in known:
        msg = f"{flag} {name} is not known: use one of {', '.join(known)}."
        raise UsageError(msg)


def check_levels(source: SubsetSource, settings: ExportSettings) -> None:
    """Refuse to select by what the score file does not have."""
    if settings.by != "image":
        levels = source.provenance.levels
        if settings.by not in levels or not source.scores.has_maps:
            msg = (
                f"{source.scores.path} has no {settings.by} maps (levels: {', '.join(levels)}), "
                f"which --by {settings.by} needs: score again with --levels image,region,pixel "
                "into an .h5 file, or use --by image."
            )
            raise UsageError(msg)
    if settings.by != "image" or FORMATS[settings.format].needs_label_maps:
        _ = source.id_map  # raises if labels cannot be read


def check_ranking(source: SubsetSource, settings: ExportSettings) -> None:
    """Refuse to rank by what the score file does not have for the unit."""
    name, path = settings.rank_by, source.scores.path
    known = (*RANKABLE[settings.by], *source.scores.streams)
    if name not in known:
        msg = (
            f"--rank-by {name} is not among the scores that {path} has for --by {settings.by}: "
            f"use one of {', '.join(known)}. {did_you_mean(name, known, cutoff=0.5)}"
        )
        raise UsageError(msg.rstrip())
    if source.stream is None:
        return
    if settings.by == "pixel" and not source.scores.has_stream_maps:
        msg = (
            f"{path} has no maps of streams, which --by pixel --rank-by {name} needs: score again "
            "with --stream-maps into an .h5 file, or use --by image or --by region."
        )
        raise UsageError(msg)
    if np.isnan(source.image_scores).all():
        msg = (
            f"--rank-by {name}: this stream is silent in {path}, it found nothing to tell images "
            "apart by. Rank by another one, or by score."
        )
        raise UsageError(msg)


def check_choice(choice: Choice, settings: ExportSettings, reporter: Reporter) -> None:
    """Refuse an empty subset, and say so if there is less than was asked for."""
    if not choice.of:
        msg = f"no {settings.by} has a score to select by. Score with --levels including it."
        raise UsageError(msg)
    if not choice.is_selected.any():
        msg = (
            f"--threshold {settings.cut.value} selects nothing: the best {settings.by} has a "
            f"score of {choice.best:.4f}. Lower it, or use --top."
        )
        raise UsageError(msg)
    if settings.per_class or settings.cut.policy not in {"count", "pixels"}:
        return
    counts_pixels = settings.by == "pixel" or settings.cut.policy == "pixels"
    available = choice.pixels_total if counts_pixels else choice.of
    if available < settings.cut.value:
        reporter.warn(
            f"--{settings.cut.policy} {settings.cut.value}: only {available} have a score; all of "
            "them are kept."
        )
