"""What an export can be asked for, and whether a score file has what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate import errors, records, reporting
from curate.data import shards
from curate.selection import cuts, formats, placement
from curate.selection.dialect import make_label_ids
from curate.selection.source import PATHS, SubsetSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

RANKABLE: Final = {
    "image": (*records.SCORE_NAMES, *records.WEIGHT_NAMES),
    "region": ("score", "weight"),
    "pixel": ("score", "weight"),
}
"""Columns that each unit can be ranked by; each stream of the score file is one more."""

_OF_SHARDS: Final = {".tar": "webdataset", ".parquet": "parquet", ".mds": "mds"}
"""The format that is as shards of each kind."""

CONTROLS: Final = ("random",)
"""What a subset may be compared with."""


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """What a subset is to hold and how it is written.

    Exactly one of `top`, `count`, `threshold` and `pixels` is given.

    Attributes
    ----------
    by : str
        ``image`` keeps whole images; with ``region`` and ``pixel`` the pixels that are not
        selected are ignored in rewritten labels, and images with nothing left are left out.
    top : str or float
        Share of what has a score, ``30%`` or ``0.3``.
    count : int
        Number of images, regions or pixels.
    threshold : float
        Smallest score to keep, in [0, 1].
    pixels : int
        Number of valid pixels to reach: the best are kept until they have so many together, the
        last one whole.
    per_class : bool
        Whether share, count or pixels are taken within each class. With ``region`` the best
        regions of each class are kept, with ``pixel`` the best pixels of each class. With
        ``image`` the images that show a class are ranked by their score of it, for each class;
        an image is kept if it is among the best for at least one class that it shows.
    rank_by : str, optional
        What ranks: ``score``, ``weight``, or the name of one of the score file's streams
        (`ScoreFile.streams`); with ``pixel`` that needs their maps. With ``image`` also
        ``image_score``, ``region_score`` and ``pixel_score``, and the same of weights; there
        `per_class` needs ``score``. By default what the score file names as its ``rank_by``.
    per_set : bool
        Whether share, count or pixels are taken within each data set, where there are several.
    min_class_share : str or float, optional
        Share of the pixels of each class that is kept at least: ``20%``.
    floors, quotas : sequence of str
        The same for single classes, and the share that is kept at most: ``sign=40%``. Floors are
        reached first, then the best of what is left are taken within the quotas until as much is
        kept as was asked for. Not with `per_class`.
    drop_near_duplicates : bool
        Whether of images that are equal or nearly so only the best is kept.
    diverse : bool
        Whether, of twice as many of the best images, those are kept that differ most from each
        other, by k-centre on frozen features. Only with ``image``.
    draw : bool
        Whether images, regions or pixels are drawn at random, in proportion to what ranks them,
        and not the best taken.
    control : str, optional
        ``random``: in place of what is selected, as many pixels of each class, drawn at random
        by the unit `by`; see `curate.selection.control`.
    seed : int
        What is drawn at random, is drawn by it.
    media : str
        ``symlink``, ``hardlink``, ``copy`` or ``none``: how original files get there; by default
        the first of these that the format takes. With
        ``none`` they are not even looked at, so that they need not be there; labels are read
        only where they are rewritten.
    format : str
        A key of `curate.selection.formats.FORMATS`: ``original`` keeps names and layout,
        ``folder`` is images/ and labels/, ``list`` is two lists of paths, others are what the
        trainers that they are named after read.
    label_ids : str, optional
        What labels hold: ``raw``, the ids of the data set; ``classes``, the index of each class;
        ``train``, Cityscapes' train ids. By default ``raw`` for ``original`` and ``adaptsegnet``,
        else ``classes``.
    weight_maps : bool
        Whether the weight of each pixel is written, too, as 8-bit images beside the labels.
    dataset : Path, optional
        Where the data set is now, if it was moved.
    resume : bool
        Take the copies that an interrupted export to the same folder has made.
    overwrite : bool
        Replace an earlier subset; any other folder is never replaced.
    dry_run : bool
        Only say what would be selected.

    Raises
    ------
    UsageError
        If a name is unknown, or they contradict each other.
    """

    by: str = "image"
    top: str | float | None = None
    count: int | None = None
    threshold: float | None = None
    pixels: int | None = None
    per_class: bool = False
    rank_by: str | None = None
    per_set: bool = False
    min_class_share: str | float | None = None
    floors: Sequence[str] = ()
    quotas: Sequence[str] = ()
    drop_near_duplicates: bool = False
    diverse: bool = False
    draw: bool = False
    control: str | None = None
    seed: int = 0
    media: str = ""
    format: str = "original"
    label_ids: str | None = None
    weight_maps: bool = False
    dataset: Path | str | None = None
    resume: bool = False
    overwrite: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        _ = self.cut  # raises if there is none, or more than one
        if not self.media:
            kind = formats.FORMATS.get(self.format, formats.FORMATS["original"])
            object.__setattr__(self, "media", kind.media[0])
        for name, known in (
            ("by", records.LEVELS),
            ("media", placement.MEDIA),
            ("format", formats.FORMATS),
        ):
            value = getattr(self, name)
            if value not in known:
                msg = f"--{name} {value} is not known: use one of {', '.join(known)}."
                raise errors.UsageError(msg)
        if self.control not in (None, *CONTROLS):
            msg = f"'{self.control}' is no control: use {', '.join(CONTROLS)}."
            raise errors.UsageError(msg)
        if self.per_class and self.cut.policy == "threshold" and self.by != "image":
            msg = (
                f"--threshold {self.cut.value} keeps the same {self.by}s with and without "
                "--per-class: leave one of them out."
            )
            raise errors.UsageError(msg)
        self._check_ways()
        written = formats.FORMATS[self.format].label_ids
        if self.label_ids not in (None, *written):
            msg = (
                f"--label-ids {self.label_ids} is not available for --format {self.format}: use "
                f"{' or '.join(written)}."
            )
            raise errors.UsageError(msg)
        usable = formats.FORMATS[self.format].media
        if self.media not in usable:
            msg = (
                f"--format {self.format} does not go with --media {self.media}: use --media "
                f"{' or '.join(usable)}."
            )
            raise errors.UsageError(msg)

    def _check_ways(self) -> None:
        """Refuse ways of choosing that contradict each other."""
        policy = self.cut.policy
        by_class = self.per_class and self.by == "image"
        for is_asked, is_wrong, message in (
            (
                self.is_bounded,
                self.per_class,
                "--min-class-share, --floor and --quota bound what one cut keeps of each class, "
                "--per-class cuts each class by itself: use one of them.",
            ),
            (
                self.draw or self.diverse,
                policy == "threshold",
                f"--threshold {self.threshold} keeps all above it, so that nothing is left to "
                "--draw or --diverse: use --top, --count or --pixels.",
            ),
            (
                self.draw or self.diverse,
                by_class,
                "--draw and --diverse need one order of all images, and --per-class has one for "
                "each class: leave it out, or use --floor and --quota.",
            ),
            (
                self.diverse,
                self.by != "image",
                f"--diverse compares whole images, and contradicts --by {self.by}.",
            ),
        ):
            if is_asked and is_wrong:
                raise errors.UsageError(message)

    @property
    def is_bounded(self) -> bool:
        """Tell whether classes have a floor or a quota."""
        return bool(self.min_class_share is not None or self.floors or self.quotas)

    @cached_property
    def cut(self) -> cuts.Cut:
        """Return how much is kept."""
        return cuts.make_cut(
            top=self.top, count=self.count, threshold=self.threshold, pixels=self.pixels
        )

    @property
    def written_ids(self) -> str:
        """Return what labels hold: `label_ids`, or the format's default."""
        return self.label_ids or formats.FORMATS[self.format].label_ids[0]

    @property
    def rewrites_labels(self) -> bool:
        """Tell whether labels are read and written anew."""
        is_masked = self.by != "image" or self.control is not None
        return is_masked or self.written_ids != "raw"

    @property
    def reads_all_labels(self) -> bool:
        """Tell whether the label of every scored image is read."""
        is_counted = self.by == "region" and self.is_bounded
        return self.by == "pixel" or is_counted or self.control is not None

    @property
    def files_needed(self) -> tuple[str, ...]:
        """Return which of `PATHS` are touched.

        With ``media="none"`` files that are only linked or copied are not even looked at.
        """
        if self.media != "none":
            return PATHS
        return ("label_path",) if self.rewrites_labels else ()

    def to_json(self) -> dict[str, Any]:
        """Return what the record of a subset says about how it was selected."""
        names = ["per_class", "rank_by", "media", "format"]
        ways = ("per_set", "min_class_share", "floors", "quotas", "drop_near_duplicates", "diverse")
        names += [name for name in (*ways, "draw", "control") if getattr(self, name)]
        names += ["seed"] if self.control or self.draw else []
        written = {"label_ids": self.written_ids, "weight_maps": self.weight_maps}
        return {"by": self.by, self.cut.policy: self.cut.value, **written} | {
            name: getattr(self, name) for name in names
        }


def keep_shards(
    source: SubsetSource,
    settings: ExportSettings,
    options: Mapping[str, Any],
    reporter: reporting.Reporter,
) -> ExportSettings:
    """Let the original format of a data set in shards be shards of their kind, with weights."""
    first = "".join(source.texts("image_path")[:1].to_pylist())
    if settings.format != "original" or not shards.is_inside(first):
        return settings
    kind = next(kind for suffix, kind in _OF_SHARDS.items() if f"{suffix}/" in first)
    has_weights = "pixel" in source.provenance.levels and source.scores.has_maps
    reporter.note(f"The data set is in shards: the subset is written in format {kind}.")
    return ExportSettings(**{**options, "format": kind, "weight_maps": has_weights})


def check_source(source: SubsetSource, settings: ExportSettings) -> None:
    """Refuse to select or to rank by what the score file does not have.

    Raises
    ------
    UsageError
        If maps, the column or the stream are missing, or the stream is inactive.
    StoreError
        If labels are to be rewritten, and the score file does not say how to read them.
    """
    if settings.by != "image":
        levels = source.provenance.levels
        if settings.by not in levels or not source.scores.has_maps:
            msg = (
                f"{source.scores.path} has no {settings.by} maps (levels: {', '.join(levels)}), "
                f"which --by {settings.by} needs: score again with --levels image,region,pixel "
                "into an .h5 file, or use --by image."
            )
            raise errors.UsageError(msg)
    if settings.weight_maps and not (
        "pixel" in source.provenance.levels and source.scores.has_maps
    ):
        msg = (
            f"{source.scores.path} has no maps of weights, which --weight-maps writes: score again "
            "with --levels image,region,pixel into an .h5 file."
        )
        raise errors.UsageError(msg)
    if settings.written_ids == "train":
        make_label_ids("train", source.provenance.classes.names)  # raises if it cannot
    if settings.rewrites_labels:
        _ = source.id_maps  # raises if labels cannot be read
    _check_ranking(source, settings)


def _check_ranking(source: SubsetSource, settings: ExportSettings) -> None:
    """Refuse to rank by what the score file does not have for the unit."""
    name, path = source.rank_by, source.scores.path
    known = (*RANKABLE[settings.by], *source.scores.streams)
    if name not in known:
        msg = (
            f"--rank-by {name} is not among the scores that {path} has for --by {settings.by}: "
            f"use one of {', '.join(known)}. {errors.did_you_mean(name, known, cutoff=0.5)}"
        )
        raise errors.UsageError(msg.rstrip())
    if settings.per_class and settings.by == "image" and name != "score":
        msg = (
            f"--rank-by {name} is not available for images --per-class: their scores by class are "
            "those of the combined score alone. Leave one of them out, or use --by region or "
            "--by pixel."
        )
        raise errors.UsageError(msg)
    if name in records.WEIGHT_NAMES and settings.cut.policy == "threshold":
        msg = (
            f"--threshold {settings.cut.value} is a score, and weights have no fixed scale: use "
            f"--top, --count or --pixels with --rank-by {name}."
        )
        raise errors.UsageError(msg)
    if source.stream is None:
        return
    if settings.by == "pixel" and not source.scores.has_stream_maps:
        msg = (
            f"{path} has no maps of streams, which --by pixel --rank-by {name} needs: score again "
            "with --stream-maps into an .h5 file, or use --by image or --by region."
        )
        raise errors.UsageError(msg)
    if np.isnan(source.image_scores).all():
        msg = (
            f"--rank-by {name}: this stream is inactive in {path}, it does not tell images apart. "
            "Rank by another one, or by score."
        )
        raise errors.UsageError(msg)
