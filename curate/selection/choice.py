"""What is kept of a data set, and what a cut takes away unasked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from curate import reporting
    from curate.selection.settings import ExportSettings
    from curate.selection.source import SubsetSource

LOST: Final = 0.5
"""A class whose share of the pixels falls below so much of what it was is warned of."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is kept of a data set of N images.

    Attributes
    ----------
    is_selected : (N,) bool
        Images of which something is kept.
    kept_px : (N,) int64
        Valid pixels that are kept of each.
    class_px : (C,) int64 or None
        Valid pixels of each class that are kept; None where only the labels tell.
    selected, of : int
        Units that are kept, and units that have a score.
    pixels_total : int
        Valid pixels of all scored images.
    best : float
        Highest score of a unit; NaN without any.
    reason : str
        Why a scored image is not selected.
    notes : dict of int to (str, str)
        Of the images of which there is more to say: a code, and why in words.
    mask_of : callable or None
        Mark the kept pixels of the image in a row, (H, W) bool; None: whole images are kept.
    """

    is_selected: NDArray[np.bool_]
    kept_px: NDArray[np.int64]
    class_px: NDArray[np.int64] | None
    selected: int
    of: int
    pixels_total: int
    best: float
    reason: str
    mask_of: Callable[[int], NDArray[np.bool_]] | None = None
    notes: dict[int, tuple[str, str]] = field(default_factory=dict)


def count_kept(
    source: SubsetSource, choice: Choice, reporter: reporting.Reporter
) -> NDArray[np.int64]:
    """Count the pixels of each class, (C,), that are kept of a data set; reads their labels."""
    num_classes = len(source.provenance.classes.names)
    counts, rows = np.zeros(num_classes, np.int64), np.flatnonzero(choice.is_selected).tolist()
    reporter.start("count classes", len(rows))
    for done, row in enumerate(rows, start=1):
        label_map = source.read_labels(row)
        kept = label_map if choice.mask_of is None else label_map[choice.mask_of(row)]
        counts += np.bincount(kept.ravel(), minlength=IGNORE_INDEX + 1)[:num_classes]
        reporter.advance(done)
    reporter.finish()
    return counts


class ClassShare(NamedTuple):
    """Pixels of a class.

    Attributes
    ----------
    name : str
    before, kept : int
        Valid pixels in all scored images, and in the subset.
    """

    name: str
    before: int
    kept: int


def compare_classes(
    sources: Sequence[SubsetSource], choices: Sequence[Choice], reporter: reporting.Reporter
) -> list[ClassShare]:
    """Count the pixels of each class before and after a cut, all data sets together."""
    names = sources[0].provenance.classes.names
    before, kept = np.zeros((2, len(names)), np.int64)
    for source, choice in zip(sources, choices, strict=True):
        before += source.scores.tables.count_classes()
        px = choice.class_px
        kept += count_kept(source, choice, reporter) if px is None else px
    return [ClassShare(*each) for each in zip(names, before.tolist(), kept.tolist(), strict=True)]


def find_losses(classes: Sequence[ClassShare]) -> list[ClassShare]:
    """List the classes that lose more than half of their share of the pixels, worst first.

    Examples
    --------
    Half of the pixels are kept, but only one in ten of those of signs.

    >>> find_losses([ClassShare("road", 90, 49), ClassShare("sign", 10, 1)])
    [ClassShare(name='sign', before=10, kept=1)]
    """
    before = sum(each.before for each in classes)
    kept = sum(each.kept for each in classes)
    lost = [each for each in classes if each.kept * before < LOST * each.before * kept]
    return sorted(lost, key=lambda each: each.kept / each.before)


def warn_of_losses(
    classes: Sequence[ClassShare], settings: ExportSettings, reporter: reporting.Reporter
) -> None:
    """Warn of classes that a cut nearly removes."""
    lost = find_losses(classes)
    if not lost:
        return
    share = sum(each.kept for each in classes) / sum(each.before for each in classes)
    told = ", ".join(f"{each.name} ({each.kept / each.before:.1%})" for each in lost)
    less = f"{100 * max(2 / 3 * share, 0.001):.2g}%"  # than of all together: it can be met
    advice = f" --per-class, or --min-class-share {less}, keeps more of them."
    reporter.warn(
        f"these classes lose more than half of their share, {share:.1%} of all pixels being kept: "
        f"{told}." + ("" if settings.per_class else advice)
    )
