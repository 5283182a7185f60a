"""The data sets of a joint training, checked before it starts."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from curate.data.classes import resolve_classes
from curate.data.dataset import DataSource, default_classes, open_dataset
from curate.data.pairs import read_pair
from curate.errors import ConfigError, DataError
from curate.methods import Split
from curate.records import IGNORE_INDEX, ClassSet, Pair
from curate.seeding import split_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from curate.config import Config, DatasetConfig
    from curate.reporting import Reporter

T = TypeVar("T")

MAX_REAL_CHECKED: Final = 1000
MAX_SYNTHETIC_CHECKED: Final = 64
FEW_REAL: Final = 20
MAX_HELD_OUT: Final = 32


@dataclass(frozen=True, slots=True)
class Task:
    """Data sets that were opened and checked.

    Attributes
    ----------
    unusable : frozenset of str
        Keys of real images that cannot be trained on.
    real_class_px : (C,) int64
        Labelled pixels of each class in the real images that were checked, at the training size.
    splits : dict of str to Split
        By image key, for both domains.
    """

    classes: ClassSet
    real: tuple[DataSource, ...]
    synthetic: tuple[DataSource, ...]
    unusable: frozenset[str]
    real_class_px: NDArray[np.int64]
    splits: dict[str, Split]

    @property
    def num_real(self) -> int:
        """Real images that can be trained on."""
        return sum(len(source.pairs) for source in self.real) - len(self.unusable)

    @property
    def num_synthetic(self) -> int:
        """Synthetic images."""
        return sum(len(source.pairs) for source in self.synthetic)

    def held_out_pairs(self, *, real: bool) -> list[tuple[DataSource, Pair]]:
        """List at most 32 held-out images of one domain, evenly spaced."""
        sources = self.real if real else self.synthetic
        chosen = [
            (source, pair)
            for source in sources
            for pair in source.pairs
            if (split := self.splits.get(source.key_of(pair))) and split.held_out
        ]
        return pick_evenly(chosen, MAX_HELD_OUT)


def open_task(config: Config, *, num_folds: int, reporter: Reporter) -> Task:
    """Open every data set and make sure that training can make sense of them.

    Raises
    ------
    ConfigError
        No real data set, or classes that cannot be told.
    DataError
        No usable real image, one class only, no class shared by both domains, and whatever
        `open_dataset` finds.
    """
    classes = _choose_classes(config)
    real = _open_all(config.real, "r", classes)
    synthetic = _open_all(config.synthetic, "s", classes)
    real_px, unusable = _check_real(real, config.fit.size, reporter)
    _check_synthetic(synthetic, real_px, classes, reporter)
    splits: dict[str, Split] = {}
    for sources in (real, synthetic):
        keys = [
            key
            for source in sources
            for pair in source.pairs
            if (key := source.key_of(pair)) not in unusable
        ]
        splits |= assign_splits(keys, config.fit.held_out, num_folds, config.fit.seed)
    return Task(classes, real, synthetic, frozenset(unusable), real_px, splits)


def assign_splits(
    keys: Sequence[str], held_out: float, num_folds: int, seed: int
) -> dict[str, Split]:
    """Assign images to the held-out share and to folds, in blocks of neighbours."""
    parts = split_blocks(keys, num_groups=max(2, round(1 / held_out)), seed=seed)
    folds = split_blocks(keys, num_groups=num_folds, seed=seed + 1)
    return {key: Split(held_out=parts[key] == 0, fold=folds[key]) for key in keys}


def pick_evenly(items: Sequence[T], count: int) -> list[T]:
    """Pick at most `count` items at equal distances."""
    if len(items) <= count:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, count).round().astype(int)]


def _choose_classes(config: Config) -> ClassSet:
    """Take the classes of the configuration, else those of the first real layout."""
    if not config.real:
        msg = "No real data set is given. Add a [[real]] table to curate.toml, or pass --real DIR."
        raise ConfigError(msg)
    if config.classes is not None:
        return resolve_classes(config.classes)
    first = config.real[0]
    classes = default_classes(first.path, first.layout)
    if classes is None:
        msg = (
            f"The layout of {first.path} does not tell the classes. "
            'Set classes = "camvid11", "cityscapes19", .. or a list of names in curate.toml.'
        )
        raise ConfigError(msg)
    return classes


def _open_all(
    datasets: Iterable[DatasetConfig], prefix: str, classes: ClassSet
) -> tuple[DataSource, ...]:
    """Open data sets under the keys r0, r1, .. or s0, s1, .."""
    return tuple(
        open_dataset(d.path, layout=d.layout, labels=d.labels, classes=classes, key=f"{prefix}{i}")
        for i, d in enumerate(datasets)
    )


def _count_classes(item: tuple[DataSource, Pair]) -> NDArray[np.float64] | DataError:
    """Count an image's labelled pixels per class, as shares of its area; or return its problem."""
    source, pair = item
    try:
        label_map = read_pair(source, pair).label_map.numpy()
    except DataError as error:
        return error
    counts: NDArray[np.int64] = np.bincount(label_map.ravel(), minlength=IGNORE_INDEX + 1)
    counts = counts[: len(source.classes)]
    if not counts.any():
        msg = f"{pair.label_path}: every pixel is ignored."
        return DataError(msg, code="all_ignored")
    return counts / label_map.size


def _count_all(
    items: Sequence[tuple[DataSource, Pair]],
) -> list[NDArray[np.float64] | DataError]:
    """Count classes of many images, reading several at a time."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(_count_classes, items))


def _check_real(
    sources: Sequence[DataSource], size: tuple[int, int], reporter: Reporter
) -> tuple[NDArray[np.int64], set[str]]:
    """Read the real images; report those that are unfit, refuse a set that cannot be learned."""
    items = pick_evenly([(s, p) for s in sources for p in s.pairs], MAX_REAL_CHECKED)
    results = _count_all(items)
    shares, unusable, problems = [], set(), []
    for (source, pair), result in zip(items, results, strict=True):
        if isinstance(result, DataError):
            unusable.add(source.key_of(pair))
            problems.append(result)
        else:
            shares.append(result)
    _warn_of(problems, len(items), "real", reporter)
    if len(shares) < 2:
        first = f" First problem: {problems[0]}" if problems else ""
        msg = (
            f"{len(shares)} of {len(items)} real images can be used; at least 2 labelled ones are "
            f"needed (one is held out to tell when to stop).{first}"
        )
        raise DataError(msg, code="too_few_real")
    counts = (np.sum(shares, axis=0) * size[0] * size[1]).round().astype(np.int64)
    if (counts > 0).sum() < 2:
        name = sources[0].classes.names[int(counts.argmax())]
        msg = (
            f"The real labels hold one class only ('{name}'); a segmenter needs at least two. "
            "Check the id map (labels = ...) of the real data sets."
        )
        raise DataError(msg, code="one_class")
    if len(shares) < FEW_REAL:
        reporter.warn(
            f"Only {len(shares)} real images: scores will be uncertain. Label {FEW_REAL} or more "
            "if you can; frames from different drives count most."
        )
    return counts, unusable


def _check_synthetic(
    sources: Sequence[DataSource],
    real_px: NDArray[np.int64],
    classes: ClassSet,
    reporter: Reporter,
) -> None:
    """Sample every synthetic set; refuse one that is unreadable or shares no class."""
    for source in sources:
        items = pick_evenly([(source, pair) for pair in source.pairs], MAX_SYNTHETIC_CHECKED)
        results = _count_all(items)
        problems = [r for r in results if isinstance(r, DataError)]
        shares = [r for r in results if not isinstance(r, DataError)]
        if not shares:
            msg = (
                f"None of {len(items)} images of {source.root} that were checked can be used. "
                f"First problem: {problems[0]}"
            )
            raise DataError(msg, code="no_synthetic")
        _warn_of(problems, len(items), f"sampled {source.root.name}", reporter)
        found = np.sum(shares, axis=0) > 0
        if not (found & (real_px > 0)).any():
            names = [n for n, seen in zip(classes.names, found, strict=True) if seen]
            real_names = [n for n, px in zip(classes.names, real_px, strict=True) if px > 0]
            msg = (
                f"{source.root} shares no class with the real data: it holds {', '.join(names)}; "
                f"the real labels hold {', '.join(real_names)}. Check both id maps (labels = ...)."
            )
            raise DataError(msg, code="no_shared_class")


def _warn_of(problems: Sequence[DataError], total: int, what: str, reporter: Reporter) -> None:
    """Warn once, with the count of each problem and the first in words."""
    if problems:
        codes = ", ".join(f"{n} {code}" for code, n in Counter(p.code for p in problems).items())
        reporter.warn(
            f"{len(problems)} of {total} {what} images are left out ({codes}). First: {problems[0]}"
        )
