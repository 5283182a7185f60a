"""Run a run's networks over images: batch after batch is read, computed, pooled and packed.

On a CPU every thread takes whole batches and computes them by itself. That keeps all cores busy
without waiting for each other, and makes scores independent of the number of cores. Batches are
filled up to one fixed size, so that a score does not depend on the images that come with it:
what is scored after a resume, or by another process, is the same to the last bit.
"""

from __future__ import annotations

import copy
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

import torch

from curate import models, records, remote
from curate.data.images import begin_reading
from curate.data.workers import load_ahead
from curate.models.devices import Device, memory_errors
from curate.scores.columns import ScoredImage
from curate.scoring.cells import CellWeights
from curate.scoring.scored_image import CellPlan, PreparedImage, prepare, score_cells, to_cells
from curate.training.networks import Networks, gather_evidence, to_unit_range

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from curate.data.dataset import DataSource
    from curate.training import loaded_run

T = TypeVar("T")
U = TypeVar("U")

MAX_CPU_THREADS: Final = 16
"""Batches that are computed at a time on a CPU; each takes memory of its own."""

MAX_CPU_PX: Final = 2**20
"""Pixels of a batch on a CPU, at most: larger ones take gigabytes, and are no faster."""

AHEAD_IMAGES: Final = 32
"""About the images that are fetched from a store before they are due."""

GPU_THREADS: Final = 4
"""Threads beside a GPU: while one waits for it, the others feed it and pool what it computed."""


def put_to_use(networks: Networks, device: Device, size: tuple[int, int]) -> Networks:
    """Bring networks to a device, to be used for `score_maps` of images of a size alone."""
    networks.segmenter.to(device.device).eval()
    networks.method.compute_on(device)
    networks.method.eval()
    models.fold_in_place(networks.segmenter, size, networks.stages)
    networks.method.fold_frozen(size)
    return networks


@torch.no_grad()
def score_maps(networks: Networks, device: Device, batch: records.Batch) -> torch.Tensor:
    """Run a segmenter and its method over a batch of images of the training size.

    Returns
    -------
    maps : (N, 4 + S, gh, gw) or (N, 8 + S, gh, gw) float32
        Scores in [0, 1] on the weighting grid: combined, image, region and pixel level, then those
        of each of the method's S streams, NaN where it is inactive, then, where weights do not
        follow from the scores, the four that they follow from.

    Raises
    ------
    RunError
        If the memory of the device is too small.
    """
    advice = "Lower batch_size in [score]; a score that was interrupted goes on with --resume."
    with memory_errors(device.device, f"with batches of {len(batch.keys)}", advice):
        batch = batch.to(device.device)
        images = to_unit_range(batch.images)
        with device.autocast():
            prediction = networks.segmenter(images, networks.stages)
        evidence = gather_evidence(batch, images, prediction)
        levels: records.LevelScores = networks.method.scores(evidence)
        inactive = torch.full_like(levels.combined, torch.nan)
        maps = _stack_levels(levels)
        maps += [levels.streams.get(name, inactive) for name in networks.method.streams]
        maps += _stack_levels(levels.worth) if levels.worth else []
        return torch.stack(maps, dim=1).float().cpu()


def _stack_levels(levels: records.LevelScores) -> list[torch.Tensor]:
    """List the maps of the levels in the order of `curate.records.SCORE_NAMES`."""
    return [levels.combined, levels.image, levels.region, levels.pixel]


class PreparedImages(torch.utils.data.Dataset[list["PreparedImage | ScoredImage"]]):
    """Reads the images of a batch, in this process or in another one."""

    def __init__(self, source: DataSource, plan: CellPlan) -> None:
        self.source = replace(source, pairs=())  # what another process need not be told
        self.plan = plan

    def __getitem__(self, pairs: Sequence[records.Pair]) -> list[PreparedImage | ScoredImage]:
        """Read some images; those with a problem are finished already."""
        begin_reading(self.source.root, pairs)
        return [prepare(self.source, pair, self.plan) for pair in pairs]


class Scorer:
    """The networks of a run, ready to score.

    Parameters
    ----------
    run : LoadedRun
        Its networks are brought to the device.
    plan : CellPlan
        How images are cut.
    device : Device
    batch_size : int
        Images of every batch; shorter ones are filled up. Fewer, the same for all, on a CPU where
        images are large.

    Attributes
    ----------
    streams : tuple of str
        The kinds of evidence that the run keeps apart.
    weights : CellWeights
        How weights follow from its scores.
    """

    def __init__(
        self, run: loaded_run.LoadedRun, plan: CellPlan, device: Device, *, batch_size: int
    ) -> None:
        most = MAX_CPU_PX // (plan.size[0] * plan.size[1])
        is_bounded = device.device.type == "cpu"
        self.batch_size = max(1, min(batch_size, most)) if is_bounded else batch_size
        self.plan, self.device = plan, device
        self.streams = run.networks.method.streams
        self.weights = CellWeights(run.networks.method.weight_rule())
        self._networks = put_to_use(run.networks, device, plan.size)
        self._of_thread = threading.local()

    def score(
        self, source: DataSource, pairs: Iterable[records.Pair], *, workers: int
    ) -> Generator[list[ScoredImage]]:
        """Score images in order; those that cannot be scored come out with their status.

        Parameters
        ----------
        workers : int
            Processes that read; with 0 the computing threads read by themselves.
        """
        reader = PreparedImages(source, self.plan)
        groups = chunks(pairs, self.batch_size)
        if not workers and isinstance(source.root, remote.RemotePath):
            groups = _begin_ahead(source.root, groups)
        with computing_threads(self.device) as (pool, num_threads):
            if workers:
                read = load_ahead(reader, groups, workers=workers)
                yield from map_ahead(pool, self._finish, read, num_threads + 1)
            else:
                yield from map_ahead(
                    pool, lambda group: self._finish(reader[group]), groups, num_threads + 1
                )

    def _finish(self, items: Sequence[PreparedImage | ScoredImage]) -> list[ScoredImage]:
        """Compute a batch, bring the maps of each image to its cells and pool them."""
        ready = [item for item in items if isinstance(item, PreparedImage)]
        maps = iter(self.compute(ready) if ready else ())
        return [
            item if isinstance(item, ScoredImage) else self._pool_scores(item, next(maps))
            for item in items
        ]

    def compute(self, ready: Sequence[PreparedImage]) -> torch.Tensor:
        """Run the networks: (batch_size, 4 + S, gh, gw) or more, float32 scores, see `score_maps`.

        Rows beyond the given images repeat the last one.
        """
        filled = [*ready, *[ready[-1]] * (self.batch_size - len(ready))]
        batch = records.Batch(
            images=torch.stack([item.image for item in filled]),
            label_map=torch.stack([item.label_map for item in filled]),
            is_real=torch.zeros(len(filled), dtype=torch.bool),
            keys=tuple(item.key for item in filled),
        )
        return score_maps(self._networks_of_thread(), self.device, batch)

    def _networks_of_thread(self) -> Networks:
        """Return the networks that belong to the calling thread."""
        if not hasattr(self._of_thread, "networks"):
            self._of_thread.networks = share_weights(self._networks)
        networks: Networks = self._of_thread.networks
        return networks

    def _pool_scores(self, item: PreparedImage, maps: torch.Tensor) -> ScoredImage:
        """Bring the maps of one image to its cells and pool them."""
        cells = to_cells(
            maps,
            size=self.plan.size,
            height=item.height,
            width=item.width,
            stride=self.plan.settings.stride,
        )
        return score_cells(item, cells.clamp(0, 1).numpy(), self.plan, self.weights, self.streams)


def share_weights(networks: Networks) -> Networks:
    """Copy networks but for their weights, which both share.

    Networks that run in two threads at once must not be the same: they keep things between their
    layers, such as the hooks that capture stages.
    """
    modules = (networks.segmenter, networks.method)
    shared = {id(t): t for m in modules for t in (*m.parameters(), *m.buffers())}
    return replace(
        networks,
        segmenter=copy.deepcopy(networks.segmenter, shared),
        method=copy.deepcopy(networks.method, shared),
    )


@contextmanager
def computing_threads(device: Device) -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """Yield a pool of threads that compute on one core each, and their number.

    As many as PyTorch may use (``OMP_NUM_THREADS``), at most `MAX_CPU_THREADS`.
    """
    before = torch.get_num_threads()
    count = min(before, MAX_CPU_THREADS) if device.device.type == "cpu" else GPU_THREADS
    # the setting is the calling thread's own, and what threads to come begin with
    pool = ThreadPoolExecutor(count, initializer=device.enter_thread)
    try:
        torch.set_num_threads(1)
        yield pool, count
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(before)


def map_ahead(
    pool: ThreadPoolExecutor, function: Callable[[T], U], items: Iterable[T], ahead: int
) -> Iterator[U]:
    """Map in order, never more than `ahead` results in memory."""
    waiting: deque[Future[U]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _begin_ahead(root: Path, groups: Iterable[list[records.Pair]]) -> Iterator[list[records.Pair]]:
    """Begin to read the files of some groups before those that are due."""
    waiting: deque[list[records.Pair]] = deque()
    for group in groups:
        begin_reading(root, group)
        waiting.append(group)
        if len(waiting) > 1 + AHEAD_IMAGES // len(group):
            yield waiting.popleft()
    yield from waiting


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut into lists of `size`, the last one shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
