"""The data sets of a joint training, checked before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from curate import errors, methods, records, reporting, seeding
from curate.checking import (
    class_table,
    facts,
    file_faults,
    folder_faults,
    judgement,
    leave_out,
    meaning,
    survey,
)
from curate.data import dataset
from curate.data.classes import resolve_classes
from curate.data.layouts import splits as layout_splits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from numpy.typing import NDArray

    from curate.config import Config, DatasetConfig

T = TypeVar("T")

FEW_REAL: Final = 20
MAX_HELD_OUT: Final = 32


@dataclass(frozen=True, slots=True)
class Task:
    """Data sets that were opened and checked.

    Attributes
    ----------
    unusable : frozenset of str
        Keys of images of both domains that cannot be trained on, or were not drawn.
    real_class_px : (C,) int64
        Labelled pixels of each class in the real images in use, at the training size.
    splits : dict of str to Split
        By image key, for both domains.
    """

    classes: records.ClassSet
    real: tuple[dataset.DataSource, ...]
    synthetic: tuple[dataset.DataSource, ...]
    unusable: frozenset[str]
    real_class_px: NDArray[np.int64]
    splits: dict[str, methods.Split]

    @property
    def num_real(self) -> int:
        """Real images that are trained on."""
        return self._count_usable(self.real)

    @property
    def num_synthetic(self) -> int:
        """Synthetic images that are trained on."""
        return self._count_usable(self.synthetic)

    def held_out_pairs(self, *, real: bool) -> list[tuple[dataset.DataSource, records.Pair]]:
        """List at most 32 held-out images of one domain, evenly spaced."""
        sources = self.real if real else self.synthetic
        chosen = [
            (source, pair)
            for source in sources
            for pair in source.pairs
            if (split := self.splits.get(source.key_of(pair))) and split.held_out
        ]
        return pick_evenly(chosen, MAX_HELD_OUT)

    def _count_usable(self, sources: Iterable[dataset.DataSource]) -> int:
        """Count the images of some sets that are not left out."""
        return sum(s.key_of(p) not in self.unusable for s in sources for p in s.pairs)


def open_task(config: Config, *, num_folds: int, reporter: reporting.Reporter) -> Task:
    """Open every data set, look at it as a whole, and make sure that it can be learned from.

    Raises
    ------
    ConfigError
        No real data set, or classes that cannot be told.
    DataError
        A problem of a whole set, no usable real image, one class only, and whatever
        `open_dataset` finds.
    """
    classes = choose_classes(config)
    real = _open_all(config, config.real, "r", classes)
    synthetic = _open_all(config, config.synthetic, "s", classes)
    of_real = [survey.survey(s, project=config.root, reporter=reporter, side="real") for s in real]
    of_synthetic = [
        survey.survey(s, project=config.root, reporter=reporter, side="synthetic")
        for s in synthetic
    ]
    problems = judgement.judge([*of_real, *of_synthetic], size=config.fit.size)
    judgement.refuse(problems)
    judgement.warn_of(problems, reporter)
    for source in synthetic:
        if several := layout_splits.describe_several(source.pairs):
            reporter.note(f"{source.root} is taken whole, with all its splits: {several}.")
    for note in filter(None, map(folder_faults.describe_all_splits, of_synthetic)):
        reporter.note(note)
    if table := class_table.assumed_table([*of_real, *of_synthetic]):
        reporter.note(table)
    unusable = _find_unfit([*of_real, *of_synthetic])
    unusable |= draw_real(real, config.fit.num_real, config.fit.draw, unusable)
    real_px = _count_real(of_real, config.fit.size, unusable)
    splits: dict[str, methods.Split] = {}
    for sources in (real, synthetic):
        keys = [
            key
            for source in sources
            for pair in source.pairs
            if (key := source.key_of(pair)) not in unusable
        ]
        splits |= assign_splits(keys, config.fit.held_out, num_folds, config.fit.seed_before)
    task = Task(classes, real, synthetic, frozenset(unusable), real_px, splits)
    if task.num_real < FEW_REAL:
        reporter.warn(
            f"Only {task.num_real} real images: scores will be uncertain. Label {FEW_REAL} or more "
            "if you can; frames from different drives count most."
        )
    return task


def assign_splits(
    keys: Sequence[str], held_out: float, num_folds: int, seed: int
) -> dict[str, methods.Split]:
    """Assign images to the held-out share and to folds, in blocks of neighbours."""
    parts = seeding.split_blocks(keys, num_groups=max(2, round(1 / held_out)), seed=seed)
    folds = seeding.split_blocks(keys, num_groups=num_folds, seed=seed + 1)
    return {key: methods.Split(held_out=parts[key] == 0, fold=folds[key]) for key in keys}


def draw_real(
    sources: Sequence[dataset.DataSource], num_real: int | None, draw: int, unfit: Collection[str]
) -> set[str]:
    """Draw some of the usable real images at random; return the keys of the others.

    A draw of more images holds those of the same draw of fewer.

    Raises
    ------
    ConfigError
        If there are fewer images than are to be drawn.
    """
    if num_real is None:
        return set()
    keys = [key for s in sources for p in s.pairs if (key := s.key_of(p)) not in unfit]
    if len(keys) < num_real:
        msg = (
            f"num_real = {num_real}, but the real data sets hold {len(keys)} usable images. "
            "Draw fewer, or add some."
        )
        raise errors.ConfigError(msg)
    order = seeding.stable_rng(draw, "draw").permutation(len(keys))
    return {keys[index] for index in order[num_real:]}


def pick_evenly(items: Sequence[T], count: int) -> list[T]:
    """Pick at most `count` items at equal distances."""
    if len(items) <= count:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, count).round().astype(int)]


def choose_classes(config: Config) -> records.ClassSet:
    """Take the classes of the configuration, else those of the first real layout."""
    if not config.real:
        msg = (
            "No real data set is given. Add a [[real]] table to curate.toml (fit takes --real DIR)."
        )
        raise errors.ConfigError(msg)
    if config.classes is not None:
        return resolve_classes(config.classes)
    first = config.real[0]
    classes = dataset.default_classes(first)
    if classes is None:
        msg = (
            f"The layout of {first.path} does not tell the classes. "
            'Set classes in curate.toml: "camvid11", "cityscapes19", .., or names in the order of '
            'their ids, as in ["background", "cable"].'
        )
        raise errors.ConfigError(msg)
    return classes


def _open_all(
    config: Config, datasets: Iterable[DatasetConfig], prefix: str, classes: records.ClassSet
) -> tuple[dataset.DataSource, ...]:
    """Open data sets under the keys r0, r1, .. or s0, s1, .., without what a list leaves out."""
    opened = [
        dataset.open_dataset(d, classes=classes, key=f"{prefix}{i}") for i, d in enumerate(datasets)
    ]
    return tuple(leave_out.apply_fix_list(source, config.fit.fix_list) for source in opened)


def _count_real(
    surveys: Sequence[facts.Survey], size: tuple[int, int], left_out: Collection[str]
) -> NDArray[np.int64]:
    """Count the labelled pixels of each class in the real images in use, at the training size.

    Raises
    ------
    DataError
        If there are too few images, or they show one class only.
    """
    shares = [
        meaning.share_classes(facts, survey.source)
        for survey in surveys
        for pair, facts in zip(survey.source.pairs, survey.facts, strict=True)
        if survey.source.key_of(pair) not in left_out
    ]
    if len(shares) < 2:
        num_images = sum(len(survey.facts) for survey in surveys)
        msg = (
            f"{len(shares)} of {num_images} real images can be used; at least 2 labelled ones are "
            "needed (one is held out to tell when to stop). Add some, or run 'curate check'."
        )
        raise errors.DataError(msg, code="too_few_real")
    counts: NDArray[np.int64] = (np.sum(shares, axis=0) * size[0] * size[1]).round().astype(int)
    if (counts > 0).sum() < 2:
        name = surveys[0].source.classes.names[int(counts.argmax())]
        msg = (
            f"The real labels hold one class only ('{name}'); a segmenter needs at least two. "
            "Check the id map (id_map = ...) of the real data sets."
        )
        raise errors.DataError(msg, code="one_class")
    return counts


def _find_unfit(surveys: Iterable[facts.Survey]) -> set[str]:
    """List the keys of images that cannot be used."""
    return {
        survey.source.key_of(pair)
        for survey in surveys
        for pair, facts in zip(survey.source.pairs, survey.facts, strict=True)
        if file_faults.is_left_out(survey, facts)
    }
