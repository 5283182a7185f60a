"""Which images a training step uses: a function of the seed and the step alone."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from curate.errors import DataError
from curate.job import ALONE, World
from curate.records import OK, Pair
from curate.seeding import stable_rng

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from curate.data.dataset import DataSource

NUM_SPARE: Final = 20
"""Further images, per domain and step, that replace unreadable ones."""


class Candidate(NamedTuple):
    """An image that a step may use.

    Attributes
    ----------
    source : int
        Index of its data set among the real, or the synthetic ones.
    position : int
        Its position in the endless order of its domain; what its augmentation is seeded by.
    """

    source: int
    pair: Pair
    position: int


class DomainOrder:
    """Endless order of the usable images of one domain, drawn without replacement per epoch.

    Parameters
    ----------
    sources : sequence of DataSource
        Pooled: every image is drawn once an epoch, whatever data set it is from.
    domain : str
        ``real`` or ``synthetic``.
    exclude : frozenset of str
        Keys of images that are never drawn, beside those whose status is not ok.

    Raises
    ------
    DataError
        If no image is left.
    """

    def __init__(
        self, sources: Sequence[DataSource], domain: str, *, seed: int, exclude: frozenset[str]
    ) -> None:
        self.domain = domain
        self._seed = seed
        self._sources = sources
        usable = [
            (number, row)
            for number, source in enumerate(sources)
            for row, pair in enumerate(source.pairs)
            if pair.status == OK and not (exclude and source.key_of(pair) in exclude)
        ]
        if not usable:
            num_images = sum(len(source.pairs) for source in sources)
            msg = (
                f"None of the {num_images:,} {domain} images can be drawn: {len(exclude):,} are "
                f"held back, the others have no usable label. Add {domain} images."
            )
            raise DataError(msg, code="no_images")
        self._usable = np.array(usable, np.int32)
        self._permutation = lru_cache(maxsize=2)(self._draw_permutation)

    def __len__(self) -> int:
        return len(self._usable)

    def take(self, first: int, count: int, every: int = 1) -> list[Candidate]:
        """List `count` images at the positions `first`, `first` + `every`, .."""
        return [self._at(first + every * number) for number in range(count)]

    def _at(self, position: int) -> Candidate:
        """Find the image at one position."""
        epoch, offset = divmod(position, len(self))
        source, row = self._usable[self._permutation(epoch)[offset]]
        return Candidate(int(source), self._sources[source].pairs[row], position)

    def _draw_permutation(self, epoch: int) -> NDArray[np.int64]:
        """Shuffle the images for one epoch."""
        return stable_rng(self._seed, "order", self.domain, epoch).permutation(len(self))


class StepPlan(NamedTuple):
    """What one step uses of each domain: how many images, and which may be used.

    The first ones that can be read are used; `NUM_SPARE` more than needed are listed. Of several
    processes, each has its share of the step.
    """

    num_real: int
    real: list[Candidate]
    num_synthetic: int
    synthetic: list[Candidate]


def plan_steps(
    real: DomainOrder,
    synthetic: DomainOrder | None,
    *,
    batch_size: int,
    steps: range,
    world: World = ALONE,
) -> Iterator[StepPlan]:
    """Yield what each of `steps` uses: half real, half synthetic; all real without synthetic.

    `batch_size` is that of all processes together; each must get as many images of a domain.
    """
    num_synthetic = 0 if synthetic is None else batch_size // 2
    num_real = batch_size - num_synthetic
    assert num_real % world.size == num_synthetic % world.size == 0
    for step in steps:
        candidates = [] if synthetic is None else _take_share(synthetic, step, num_synthetic, world)
        yield StepPlan(
            num_real // world.size,
            _take_share(real, step, num_real, world),
            num_synthetic // world.size,
            candidates,
        )


def _take_share(order: DomainOrder, step: int, count: int, world: World) -> list[Candidate]:
    """List this process's share of the `count` images of a step, then its spare ones."""
    first, share = step * count, count // world.size
    own = order.take(first + world.rank * share, share)
    return own + order.take(first + count + world.rank, NUM_SPARE, every=world.size)
