"""Draw images by their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch.distributed as dist
from torch.utils.data import Sampler

from curate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike


class ImageSampler(Sampler[int]):
    """Draw rows with replacement, each in proportion to its weight, any number of rows.

    The draw of an epoch depends on `seed` and the epoch alone, so that all processes make the same.
    `torch.utils.data.DistributedSampler` and what Lightning and Accelerate wrap around a sampler
    divide it; without them give `num_replicas` and `rank`, and each process gets its part.

    Parameters
    ----------
    weights : (N,) float
        At least 0, such as ``ScoreFile(..).image_column("weight")``; NaN, not scored, is 0.
    num_samples : int, optional
        Rows drawn an epoch, all processes together; N by default.
    seed : int
    num_replicas, rank : int, optional
        Number of processes, and which one this is.

    Raises
    ------
    UsageError
        If nothing can be drawn, or it is not said who divides the draw among several processes.
    """

    def __init__(
        self,
        weights: ArrayLike,
        num_samples: int | None = None,
        *,
        seed: int = 0,
        num_replicas: int | None = None,
        rank: int = 0,
    ) -> None:
        given = np.asarray(weights, np.float64)
        values = np.where(np.isnan(given), 0, given)
        self._ends = values.cumsum()
        if values.ndim != 1 or values.min(initial=0) < 0 or not 0 < values.sum() < np.inf:
            msg = "the weights of images must be (N,), at least 0, finite, and not all 0 or NaN."
            raise UsageError(msg)
        if num_replicas is None and dist.is_initialized() and dist.get_world_size() > 1:
            msg = (
                "several processes would all draw the same images: give num_replicas="
                "dist.get_world_size() and rank=dist.get_rank(), or num_replicas=1 where "
                "Lightning, Accelerate or a DistributedSampler divides them."
            )
            raise UsageError(msg)
        self.num_replicas, self.rank = num_replicas or 1, rank
        self.num_samples = len(values) if num_samples is None else num_samples
        self.seed, self.epoch = seed, 0
        if not 0 <= rank < self.num_replicas:
            msg = f"rank {rank} is none of {self.num_replicas} processes, 0 .. N-1."
            raise UsageError(msg)

    def set_epoch(self, epoch: int) -> None:
        """Choose the draw of the next iteration; each one goes on to the next by itself."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        count = len(self) * self.num_replicas
        # 53 bits: torch.multinomial takes no more than 2**24 rows
        drawn = np.searchsorted(self._ends, rng.random(count) * self._ends[-1], side="right")
        return iter(drawn[self.rank :: self.num_replicas].tolist())

    def __len__(self) -> int:
        """Return the number of rows that this process gets: the same for each."""
        return -(-self.num_samples // self.num_replicas)
