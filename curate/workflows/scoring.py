"""Run a run's networks over images: read in threads, compute in batches, pool per image."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import torch

from curate.records import Batch, LevelScores, Pair, ScoredImage
from curate.workflows.cells import CellPlan, PreparedImage, prepare, score_cells, to_cells
from curate.workflows.evidence import gather_evidence, move, to_unit_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from curate.data import DataSource
    from curate.workflows.building import Networks
    from curate.workflows.loading import LoadedRun
    from curate.workflows.training import Device

T = TypeVar("T")
U = TypeVar("U")


def put_to_use(networks: Networks, device: Device) -> Networks:
    """Bring networks to a device, ready for `score_maps`."""
    networks.segmenter.to(device.device).eval()
    networks.method.to(device.device).eval()
    return networks


@torch.no_grad()
def score_maps(
    networks: Networks,
    device: Device,
    images: torch.Tensor,
    label_map: torch.Tensor,
    keys: tuple[str, ...],
) -> torch.Tensor:
    """Run a segmenter and its method over a batch.

    Parameters
    ----------
    networks : Networks
        On `device`; see `put_to_use`.
    images, label_map : (N, 3, H, W) uint8, (N, H, W) uint8
        At the size of the training.
    keys : tuple of str
        As in `curate.records.Batch`.

    Returns
    -------
    maps : (N, 4, gh, gw) float32
        Scores in [0, 1] on the weighting grid: combined, image, region and pixel level.
    """
    is_real = torch.zeros(len(images), dtype=torch.bool)
    batch = move(Batch(images, label_map, is_real, keys), device.device)
    pixels = to_unit_range(batch.images)
    with device.autocast():
        prediction = networks.segmenter(pixels, networks.stages)
    levels: LevelScores = networks.method.scores(gather_evidence(batch, pixels, prediction))
    maps = (levels.combined, levels.image, levels.region, levels.pixel)
    return torch.stack(maps, dim=1).float().cpu()


class Scorer:
    """Read images in threads, run the networks over batches, pool the scores."""

    def __init__(self, run: LoadedRun, plan: CellPlan, device: Device) -> None:
        self.plan = plan
        self.device = device
        self.first_problem = ""
        self.networks = put_to_use(run.networks, device)

    def run(
        self, source: DataSource, pairs: Sequence[Pair], *, workers: int, batch_size: int
    ) -> Iterator[ScoredImage]:
        """Score images in batches; images that cannot be scored come out with their status."""
        with ThreadPoolExecutor(max_workers=workers) as pool:
            prepared = map_ahead(
                pool, lambda pair: prepare(source, pair, self.plan), pairs, 3 * batch_size
            )
            for group in chunks(prepared, batch_size):
                ready = [item for item in group if isinstance(item, PreparedImage)]
                for item in group:
                    if isinstance(item, ScoredImage):
                        self.first_problem = self.first_problem or item.message
                        yield item
                if ready:
                    keys = tuple(source.key_of(item.pair) for item in ready)
                    yield from pool.map(self._pool_scores, ready, self._score(ready, keys))

    def _score(self, ready: Sequence[PreparedImage], keys: tuple[str, ...]) -> torch.Tensor:
        """Score the images of one batch."""
        return score_maps(
            self.networks,
            self.device,
            torch.stack([item.image for item in ready]),
            torch.stack([item.label_map for item in ready]),
            keys,
        )

    def _pool_scores(self, item: PreparedImage, maps: torch.Tensor) -> ScoredImage:
        """Bring the maps of one image to its cells and pool them."""
        cells = to_cells(
            maps,
            size=self.plan.size,
            height=item.height,
            width=item.width,
            stride=self.plan.stride,
        )
        return score_cells(item, cells.clamp(0, 1).numpy(), self.plan)


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


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut into lists of `size`, the last one shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
