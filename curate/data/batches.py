"""Batches of images for training and evaluation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.utils.data import Dataset

from curate.data import augmentation, pairs, sampling
from curate.data.workers import load_ahead
from curate.errors import DataError
from curate.job import ALONE, World
from curate.records import Batch, Uncropped
from curate.seeding import stable_rng

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from curate.config import AugmentConfig
    from curate.data.dataset import DataSource
    from curate.records import Pair


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
    world: World = ALONE,
    with_uncropped: bool = False,
) -> Generator[Batch]:
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
        raise DataError(msg, code="no_images")
    steps = range(first_step, first_step + num_steps)
    plans = sampling.plan_steps(
        orders[0], orders[1], batch_size=batch_size, steps=steps, world=world
    )
    reader = _Reader(real, synthetic, size, seed, augment, with_uncropped=with_uncropped)
    return _load(reader, plans, workers, pin_memory=pin_memory)


def evaluation_batches(
    source_pairs: Sequence[tuple[DataSource, Pair]],
    *,
    size: tuple[int, int],
    batch_size: int,
    is_real: bool,
) -> Iterator[Batch]:
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
        except DataError as error:
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
        raise DataError(msg, code="no_images")


class _Sample(NamedTuple):
    """An image that is ready to be put in a batch."""

    key: str
    image: torch.Tensor
    label_map: torch.Tensor
    is_real: bool
    uncropped: Uncropped | None = None
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
        *,
        with_uncropped: bool,
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

    def __getitem__(self, plan: sampling.StepPlan) -> dict[str, Any] | DataError:
        """Return the fields of a `Batch`, or the error that the step ends with."""
        problems: list[tuple[str, str]] = []
        try:
            samples = self._read("real", plan.num_real, plan.real, problems)
            samples += self._read("synthetic", plan.num_synthetic, plan.synthetic, problems)
        except DataError as error:  # raised by the main process, without a worker's traceback
            return error
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
        for number, pair, position in candidates:
            if len(samples) == count:
                break
            source = self._sources[domain][number]
            try:
                loaded = pairs.read_pair(source, pair)
            except DataError as error:
                problems.append((source.key_of(pair), str(error)))
                continue
            samples.append(self._change(domain, source.key_of(pair), loaded, position))
        if len(samples) < count:
            msg = (
                f"More than {sampling.NUM_SPARE} of {len(candidates)} {domain} images in a row "
                f"cannot be read. The last: {problems[-1][1]} Run 'curate check' on the data set."
            )
            raise DataError(msg, code="unreadable_image")
        return samples

    def _change(self, domain: str, key: str, loaded: pairs.LoadedPair, position: int) -> _Sample:
        """Change an image at random; keep it as it was, too, where that is asked for."""
        rng = stable_rng(self._seed, "augment", domain, position)
        change = augmentation.sample_augmentation(rng, self._augment)
        uncropped = None
        if self._with_uncropped and domain == "synthetic":
            height, width = loaded.label_map.shape
            view = augmentation.find_view((height, width), self._size, change)
            uncropped = Uncropped(*augmentation.fit_to_size(*loaded, self._size), view)
        changed = augmentation.augment(*loaded, self._size, change)
        return _Sample(key, *changed, domain == "real", uncropped)


def _load(
    reader: _Reader, plans: Iterator[sampling.StepPlan], workers: int, *, pin_memory: bool
) -> Generator[Batch]:
    """Read the planned batches in order, ahead of time if there are workers; they end with it."""
    for fields in load_ahead(reader, plans, workers=workers, pin_memory=pin_memory):
        if isinstance(fields, DataError):
            raise fields
        fields["keys"] = tuple(fields["keys"])
        fields["problems"] = tuple((key, message) for key, message in fields["problems"])
        yield Batch(**fields)


def _stack(samples: list[_Sample], problems: list[tuple[str, str]]) -> Batch:
    """Put images together."""
    uncropped = [sample.uncropped for sample in samples if sample.uncropped]
    return Batch(
        images=torch.stack([sample.image for sample in samples]),
        label_map=torch.stack([sample.label_map for sample in samples]),
        is_real=torch.tensor([sample.is_real for sample in samples]),
        keys=tuple(sample.key for sample in samples),
        problems=tuple(problems),
        uncropped=(
            Uncropped(*map(torch.stack, zip(*uncropped, strict=True))) if uncropped else None
        ),
    )
