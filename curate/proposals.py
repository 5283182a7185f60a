"""What `curate init` writes of a data set: layout, split, id map, size; seen from some files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from curate import errors, reporting
from curate.checking import file_faults, meaning, survey
from curate.config import DatasetConfig, FitConfig
from curate.data import dataset, id_tables
from curate.data.classes import UNNAMED
from curate.data.layouts import detection, splits, suggestions
from curate.dataset_config import ReadingConfig
from curate.training.task import pick_evenly

if TYPE_CHECKING:
    from pathlib import Path

    from curate.checking.facts import Side, Survey

NUM_SEEN: Final = 64
"""Images of a set that are looked at."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """How to read a data set.

    Attributes
    ----------
    layout : str
        ``auto`` where none could be seen.
    image, label : str or None
        Patterns, where no known layout fits but files pair by these.
    split, test_split, id_map : str or None
        None where nothing need be said; `test_split` is what a real set keeps for measuring.
    size : (int, int) or None
        What images should be resized to, if not to the default.
    """

    layout: str = "auto"
    image: str | None = None
    label: str | None = None
    split: str | None = None
    test_split: str | None = None
    id_map: str | None = None
    size: tuple[int, int] | None = None


def propose(
    path: Path, side: Side, *, project: Path, reading: ReadingConfig | None = None
) -> Proposal:
    """Look at some files of a folder, and say how it is best read.

    A folder that is missing, or that cannot be read, is left as it is: `curate check` says why.

    Parameters
    ----------
    reading : ReadingConfig, optional
        Its patterns are taken where no known layout fits; by default they are guessed.
    """
    way = _find_way(path, reading or ReadingConfig())
    listed = DatasetConfig(path=path, **way)
    layout, patterns = way.get("layout", "auto"), (way.get("image"), way.get("label"))
    try:
        classes = dataset.own_classes(listed) or UNNAMED
        source = dataset.open_dataset(listed, classes=classes)
    except (errors.DataError, errors.ConfigError):
        return Proposal(layout, *patterns)
    seen = survey.survey(
        source,
        project=project,
        reporter=reporting.SilentReporter(),
        side=side,
        rows=pick_evenly(range(len(source.pairs)), NUM_SEEN),
    )
    split, test_split = _choose_splits(seen)
    return Proposal(
        layout,
        *patterns,
        split=split,
        test_split=test_split,
        id_map=_choose_id_map(seen),
        size=_choose_size(seen),
    )


def _find_way(path: Path, reading: ReadingConfig) -> dict[str, str]:
    """Find the layout of a folder, or patterns by which its files pair."""
    if not path.is_dir():
        return {}
    try:
        return {"layout": detection.detect_layout(path)}
    except errors.DataError as error:
        if error.code != "unknown_layout":
            return {}
    if reading.image is not None and reading.label is not None:
        return {"image": reading.image, "label": reading.label}
    guessed = suggestions.guess(path, detection.take_sample(path))
    return {} if guessed is None else dict(zip(("image", "label"), guessed, strict=True))


def _choose_splits(seen: Survey) -> tuple[str | None, str | None]:
    """Choose what to learn from and what to measure on, where a real set has several splits."""
    names = [split for split in splits.count_splits(seen.source.pairs) if split]
    if len(names) < 2 or seen.side != "real":
        return None, None
    learned = next((name for name in names if name.lower().startswith("train")), names[0])
    others = [
        name for name in names if name.lower().startswith(("val", "test")) and name != learned
    ]
    return learned, min(others, key=lambda name: not name.lower().startswith("val"), default=None)


def _choose_id_map(seen: Survey) -> str | None:
    """Choose the version of a published id map that knows the ids, where the usual one does not."""
    name = seen.source.id_map.name
    ids = set(meaning.count_raw(seen))
    if name not in id_tables.PUBLISHED_IDS or ids <= id_tables.known_ids(name):
        return None
    return next((v for v in id_tables.versions(name) if ids <= id_tables.known_ids(v)), None)


def _choose_size(seen: Survey) -> tuple[int, int] | None:
    """Choose a size of the images' aspect ratio, where the default is of another."""
    default = FitConfig().size
    shapes = Counter((f.height, f.width) for f in seen.readable())
    if not shapes or file_faults.fits_size(seen, default):
        return None
    return file_faults.aspect_true(shapes.most_common(1)[0][0], default)
