"""The data sets of a joint training, checked before it starts."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from curate import errors, methods, records, reporting, seeding
from curate.data import dataset, pairs
from curate.data.classes import resolve_classes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from curate.config import Config, DatasetConfig

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

    classes: records.ClassSet
    real: tuple[dataset.DataSource, ...]
    synthetic: tuple[dataset.DataSource, ...]
    unusable: frozenset[str]
    real_class_px: NDArray[np.int64]
    splits: dict[str, methods.Split]

    @property
    def num_real(self) -> int:
        """Real images that can be trained on."""
        return sum(len(source.pairs) for source in self.real) - len(self.unusable)

    @property
    def num_synthetic(self) -> int:
        """Synthetic images."""
        return sum(len(source.pairs) for source in self.synthetic)

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


def open_task(config: Config, *, num_folds: int, reporter: reporting.Reporter) -> Task:
    """Open every data set and make sure that training can make sense of them.

    Raises
    ------
    ConfigError
        No real data set, or classes that cannot be told.
    DataError
        No usable real image, one class only, no class shared by both domains, and whatever
        `open_dataset` finds.
    """
    classes = choose_classes(config)
    real = _open_all(config.real, "r", classes)
    synthetic = _open_all(config.synthetic, "s", classes)
    unusable = draw_real(real, config.fit.num_real, config.fit.draw)
    real_px, unfit = _check_real(real, config.fit.size, unusable, reporter)
    unusable |= unfit
    _check_synthetic(synthetic, real_px, classes, reporter)
    splits: dict[str, methods.Split] = {}
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
) -> dict[str, methods.Split]:
    """Assign images to the held-out share and to folds, in blocks of neighbours."""
    parts = seeding.split_blocks(keys, num_groups=max(2, round(1 / held_out)), seed=seed)
    folds = seeding.split_blocks(keys, num_groups=num_folds, seed=seed + 1)
    return {key: methods.Split(held_out=parts[key] == 0, fold=folds[key]) for key in keys}


def draw_real(sources: Sequence[dataset.DataSource], num_real: int | None, draw: int) -> set[str]:
    """Draw some of the real images at random; return the keys of the others.

    A draw of more images holds those of the same draw of fewer.

    Raises
    ------
    ConfigError
        If there are fewer images than are to be drawn.
    """
    if num_real is None:
        return set()
    keys = [s.key_of(p) for s in sources for p in s.pairs if p.status == records.OK]
    if len(keys) < num_real:
        msg = (
            f"num_real = {num_real}, but the real data sets hold {len(keys)} labelled images. "
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
        msg = "No real data set is given. Add a [[real]] table to curate.toml, or pass --real DIR."
        raise errors.ConfigError(msg)
    if config.classes is not None:
        return resolve_classes(config.classes)
    first = config.real[0]
    classes = dataset.default_classes(first.path, first.layout)
    if classes is None:
        msg = (
            f"The layout of {first.path} does not tell the classes. "
            'Set classes = "camvid11", "cityscapes19", .. or a list of names in curate.toml.'
        )
        raise errors.ConfigError(msg)
    return classes


def _open_all(
    datasets: Iterable[DatasetConfig], prefix: str, classes: records.ClassSet
) -> tuple[dataset.DataSource, ...]:
    """Open data sets under the keys r0, r1, .. or s0, s1, .."""
    return tuple(
        dataset.open_dataset(
            d.path, layout=d.layout, id_map=d.id_map, classes=classes, key=f"{prefix}{i}"
        )
        for i, d in enumerate(datasets)
    )


def _count_classes(
    item: tuple[dataset.DataSource, records.Pair],
) -> NDArray[np.float64] | errors.DataError:
    """Count an image's labelled pixels per class, as shares of its area; or return its problem."""
    source, pair = item
    try:
        label_map = pairs.read_pair(source, pair).label_map.numpy()
    except errors.DataError as error:
        return error
    counts: NDArray[np.int64] = np.bincount(label_map.ravel(), minlength=records.IGNORE_INDEX + 1)
    counts = counts[: len(source.classes)]
    if not counts.any():
        msg = f"{pair.label_path}: every pixel is ignored."
        return errors.DataError(msg, code="all_ignored")
    return counts / label_map.size


def _count_all(
    items: Sequence[tuple[dataset.DataSource, records.Pair]],
) -> list[NDArray[np.float64] | errors.DataError]:
    """Count classes of many images, reading several at a time."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(_count_classes, items))


def _check_real(
    sources: Sequence[dataset.DataSource],
    size: tuple[int, int],
    undrawn: set[str],
    reporter: reporting.Reporter,
) -> tuple[NDArray[np.int64], set[str]]:
    """Read the real images; report those that are unfit, refuse a set that cannot be learned."""
    drawn = [(s, p) for s in sources for p in s.pairs if s.key_of(p) not in undrawn]
    items = pick_evenly(drawn, MAX_REAL_CHECKED)
    results = _count_all(items)
    shares, unusable, problems = [], set(), []
    for (source, pair), result in zip(items, results, strict=True):
        if isinstance(result, errors.DataError):
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
        raise errors.DataError(msg, code="too_few_real")
    counts = (np.sum(shares, axis=0) * size[0] * size[1]).round().astype(np.int64)
    if (counts > 0).sum() < 2:
        name = sources[0].classes.names[int(counts.argmax())]
        msg = (
            f"The real labels hold one class only ('{name}'); a segmenter needs at least two. "
            "Check the id map (id_map = ...) of the real data sets."
        )
        raise errors.DataError(msg, code="one_class")
    if len(shares) < FEW_REAL:
        reporter.warn(
            f"Only {len(shares)} real images: scores will be uncertain. Label {FEW_REAL} or more "
            "if you can; frames from different drives count most."
        )
    return counts, unusable


def _check_synthetic(
    sources: Sequence[dataset.DataSource],
    real_px: NDArray[np.int64],
    classes: records.ClassSet,
    reporter: reporting.Reporter,
) -> None:
    """Sample every synthetic set; refuse one that is unreadable or shares no class."""
    for source in sources:
        items = pick_evenly([(source, pair) for pair in source.pairs], MAX_SYNTHETIC_CHECKED)
        results = _count_all(items)
        problems = [r for r in results if isinstance(r, errors.DataError)]
        shares = [r for r in results if not isinstance(r, errors.DataError)]
        if not shares:
            msg = (
                f"None of {len(items)} images of {source.root} that were checked can be used. "
                f"First problem: {problems[0]}"
            )
            raise errors.DataError(msg, code="no_synthetic")
        _warn_of(problems, len(items), f"sampled {source.root.name}", reporter)
        found = np.sum(shares, axis=0) > 0
        if not (found & (real_px > 0)).any():
            names = [n for n, seen in zip(classes.names, found, strict=True) if seen]
            real_names = [n for n, px in zip(classes.names, real_px, strict=True) if px > 0]
            msg = (
                f"{source.root} shares no class with the real data: it holds {', '.join(names)}; "
                f"the real labels hold {', '.join(real_names)}. Check both id maps (id_map = ...)."
            )
            raise errors.DataError(msg, code="no_shared_class")


def _warn_of(
    problems: Sequence[errors.DataError], total: int, what: str, reporter: reporting.Reporter
) -> None:
    """Warn once, with the count of each problem and the first in words."""
    if problems:
        codes = ", ".join(f"{n} {code}" for code, n in Counter(p.code for p in problems).items())
        reporter.warn(
            f"{len(problems)} of {total} {what} images are left out ({codes}). First: {problems[0]}"
        )
