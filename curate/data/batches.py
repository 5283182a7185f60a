"""Batches of images for training and evaluation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.utils.data import Dataset

from curate import errors, job, records, seeding
from curate.data import augmentation, drawn, images, pairs, sampling, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

    from curate.config import AugmentConfig
    from curate.data.dataset import DataSource


def training_batches(
    real: Sequence[DataSource],
    synthetic: Sequence[DataSource],
    *,
    size: tuple[int, int],
    batch_size: int,
    seed: int,
    first_step: int,
    num_steps: int,
    augment: AugmentConfig,
    workers: int,
    pin_memory: bool,
    exclude: frozenset[str] = frozenset(),
    world: job.World = job.ALONE,
    with_uncropped: bool = False,
    keep_bytes: int = 0,
    shared: Path | None = None,
) -> Generator[records.Batch]:
    """Yield the batches of steps `first_step` to `first_step` + `num_steps` - 1.

    The batch of a step depends on the data sets, `seed` and the step, not on `workers` or on the
    step that was begun with. Each domain is drawn without replacement per epoch. An image that
    cannot be read is replaced by the next one of its domain that the step does not use. Closing the
    generator ends the workers.

    Parameters
    ----------
    real, synthetic : sequences of DataSource
        A batch is half real (first) and half synthetic, or all real if there is no synthetic.
    size : (int, int)
        Height and width.
    workers : int
        Processes that read; 0 reads in this one.
    pin_memory : bool
        Whether tensors are put into page-locked memory, where there is a GPU.
    exclude : frozenset of str
        Keys of images that are never drawn.
    world : World
        Of several processes, each gets its share of a batch: `batch_size` is that of all. All
        shares together are the batch of a single process, unless an image cannot be read.
    with_uncropped : bool
        Whether each batch holds its synthetic images without random changes, too.
    keep_bytes : int
        Size of the decoded images that each reading process keeps for the next epoch.
    shared : Path, optional
        Folder in which changed images are kept for other trainings that draw them, too.

    Raises
    ------
    DataError
        If a domain has no usable image, or more than 20 of those that a step may use cannot be
        read.
    """
    orders = [
        sampling.DomainOrder(sources, domain, seed=seed, exclude=exclude) if sources else None
        for sources, domain in ((real, "real"), (synthetic, "synthetic"))
    ]
    if orders[0] is None:
        msg = "There is no real data set to train on. Give at least one."
        raise errors.DataError(msg, code="no_images")
    steps = range(first_step, first_step + num_steps)
    plans = sampling.plan_steps(
        orders[0], orders[1], batch_size=batch_size, steps=steps, world=world
    )
    reader = _Reader(real, synthetic, size, seed, augment, with_uncropped, keep_bytes, shared)
    return _load(reader, plans, workers, pin_memory=pin_memory)


def evaluation_batches(
    source_pairs: Sequence[tuple[DataSource, records.Pair]],
    *,
    size: tuple[int, int],
    batch_size: int,
    is_real: bool,
) -> Iterator[records.Batch]:
    """Yield the given images in order, resized, without random changes.

    An image that cannot be read is left out and reported in ``Batch.problems``; only the last
    batch may be smaller than `batch_size`.

    Raises
    ------
    DataError
        If not one of the images can be read.
    """
    samples: list[_Sample] = []
    problems: list[tuple[str, str]] = []
    for source, pair in source_pairs:
        key = source.key_of(pair)
        try:
            loaded = pairs.read_pair(source, pair)
        except errors.DataError as error:
            problems.append((key, str(error)))
            continue
        if len(samples) == batch_size:
            yield _stack(samples, problems)
            samples, problems = [], []
        samples.append(_Sample(key, *augmentation.fit_to_size(*loaded, size), is_real))
    if samples:
        yield _stack(samples, problems)
    elif problems:
        msg = f"None of {len(problems):,} images can be read. The first: {problems[0][1]}"
        raise errors.DataError(msg, code="no_images")


class _Sample(NamedTuple):
    """An image that is ready to be put in a batch."""

    key: str
    image: torch.Tensor
    label_map: torch.Tensor
    is_real: bool
    uncropped: records.Uncropped | None = None
    """Of this image alone, without the first axis."""


class _Reader(Dataset[Any]):
    """Turns the plan of a step into its batch, in this process or in another one."""

    def __init__(
        self,
        real: Sequence[DataSource],
        synthetic: Sequence[DataSource],
        size: tuple[int, int],
        seed: int,
        augment: AugmentConfig,
        with_uncropped: bool,
        keep_bytes: int,
        shared: Path | None,
    ) -> None:
        # each plan brings the pairs it needs: all of them would slow the start of workers
        self._sources = {
            domain: [replace(source, pairs=()) for source in sources]
            for domain, sources in (("real", real), ("synthetic", synthetic))
        }
        self._size = size
        self._seed = seed
        self._augment = augment
        self._with_uncropped = with_uncropped
        self._free_bytes = keep_bytes
        self._kept: dict[str, pairs.LoadedPair] = {}
        self._drawn = shared and {
            domain: drawn.DrawnImages(
                shared / f"{domain}-{seed}.drawn", size, f"{seed} {augment!r}"
            )
            for domain in self._sources
        }

    def __getitem__(self, plan: sampling.StepPlan) -> dict[str, Any] | errors.DataError:
        """Return the fields of a `Batch`, or the error that the step ends with."""
        problems: list[tuple[str, str]] = []
        try:
            samples = self._read("real", plan.num_real, plan.real, problems)
            samples += self._read("synthetic", plan.num_synthetic, plan.synthetic, problems)
        except errors.DataError as error:
            return error  # the main process raises it, without a worker's traceback
        batch = _stack(samples, problems)
        return {name: getattr(batch, name) for name in batch.__slots__}

    def _read(
        self,
        domain: str,
        count: int,
        candidates: list[sampling.Candidate],
        problems: list[tuple[str, str]],
    ) -> list[_Sample]:
        """Read and change the first `count` images of a domain that can be read."""
        samples: list[_Sample] = []
        for number, pair, _ in candidates[:count]:
            source = self._sources[domain][number]
            if source.key_of(pair) not in self._kept:
                images.begin_reading(source.root, [pair])
        for number, pair, position in candidates:
            if len(samples) == count:
                break
            source = self._sources[domain][number]
            try:
                samples.append(self._draw(domain, source, pair, position))
            except errors.DataError as error:
                problems.append((source.key_of(pair), str(error)))
        if len(samples) < count:
            msg = (
                f"More than {sampling.NUM_SPARE} of {len(candidates)} {domain} images in a row "
                f"cannot be read. The last: {problems[-1][1]} Run 'curate check' on the data set."
            )
            raise errors.DataError(msg, code="unreadable_image")
        return samples

    def _draw(self, domain: str, source: DataSource, pair: records.Pair, position: int) -> _Sample:
        """Change an image at random; keep it as it was, too, where that is asked for."""
        rng = seeding.stable_rng(self._seed, "augment", domain, position)
        change = augmentation.sample_augmentation(rng, self._augment)
        found = self._draw_changed(domain, source, pair, position, change)
        uncropped = None
        if self._with_uncropped and domain == "synthetic":
            view = augmentation.find_view(found.shape, self._size, change)
            whole = self._keep(f"whole {source.key_of(pair)}", self._fit, source, pair)
            uncropped = records.Uncropped(*whole, view)
        return _Sample(source.key_of(pair), *found.changed, domain == "real", uncropped)

    def _draw_changed(
        self,
        domain: str,
        source: DataSource,
        pair: records.Pair,
        position: int,
        change: augmentation.Augmentation,
    ) -> drawn.DrawnImage:
        """Make a changed image, or take it from those that are shared."""
        kept = self._drawn[domain] if self._drawn else None
        digest = kept.digest(source, pair, position) if kept else b""
        if kept and (found := kept.get(position, digest)):
            return found
        loaded = self._load_pair(source, pair)
        changed = pairs.LoadedPair(*augmentation.augment(*loaded, self._size, change))
        height, width = loaded.label_map.shape
        made = drawn.DrawnImage(changed, (height, width))
        if kept:
            kept.put(position, digest, made)
        return made

    def _load_pair(self, source: DataSource, pair: records.Pair) -> pairs.LoadedPair:
        """Read an image and its label."""
        return self._keep(source.key_of(pair), pairs.read_pair, source, pair)

    def _fit(self, source: DataSource, pair: records.Pair) -> pairs.LoadedPair:
        """Read an image and its label, and resize them."""
        return pairs.LoadedPair(
            *augmentation.fit_to_size(*self._load_pair(source, pair), self._size)
        )

    def _keep(
        self,
        name: str,
        load: Callable[[DataSource, records.Pair], pairs.LoadedPair],
        source: DataSource,
        pair: records.Pair,
    ) -> pairs.LoadedPair:
        """Load an image and its label; the first ones that fit into memory are kept."""
        if name not in self._kept:
            loaded = load(source, pair)
            size = loaded.image.nbytes + loaded.label_map.nbytes
            if size > self._free_bytes:
                return loaded
            self._free_bytes -= size
            self._kept[name] = loaded
        return self._kept[name]


def _load(
    reader: _Reader, plans: Iterator[sampling.StepPlan], num_workers: int, *, pin_memory: bool
) -> Generator[records.Batch]:
    """Read the planned batches in order, ahead of time if there are workers; they end with it."""
    for fields in workers.load_ahead(reader, plans, workers=num_workers, pin_memory=pin_memory):
        if isinstance(fields, errors.DataError):
            raise fields
        fields["keys"] = tuple(fields["keys"])
        fields["problems"] = tuple((key, message) for key, message in fields["problems"])
        yield records.Batch(**fields)


def _stack(samples: list[_Sample], problems: list[tuple[str, str]]) -> records.Batch:
    """Put images together."""
    uncropped = [sample.uncropped for sample in samples if sample.uncropped]
    return records.Batch(
        images=torch.stack([sample.image for sample in samples]),
        label_map=torch.stack([sample.label_map for sample in samples]),
        is_real=torch.tensor([sample.is_real for sample in samples]),
        keys=tuple(sample.key for sample in samples),
        problems=tuple(problems),
        uncropped=(
            records.Uncropped(*map(torch.stack, zip(*uncropped, strict=True)))
            if uncropped
            else None
        ),
    )
