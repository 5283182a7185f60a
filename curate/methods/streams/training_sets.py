"""Lessons for the streams' networks, from the images of both domains."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import torch
from torch import Tensor

from curate.grid import centres, grid_size
from curate.methods.streams.features import StreamFeatures, join
from curate.methods.streams.networks import CHUNK, StreamNetwork, TrainingSet, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from curate.methods.base import CorruptedImage, Preparation, Split
    from curate.methods.streams.settings import StreamsSettings

    See = Callable[[int, Tensor, Tensor], StreamFeatures]

MANY_CELLS: Final = 72_000
"""Of more cells of real images, faults are planted in each image in proportion less often, but at
least once; 60 images of 120x160 pixels have as many."""

MOST_CELLS: Final = 5_000_000
"""Cells of planted images, at most; about a gigabyte of clues. Larger images get fewer faults."""


class CorruptionFeatures(NamedTuple):
    """StreamFeatures of real images in which faults were planted, or which were left as they are.

    Attributes
    ----------
    clues : StreamFeatures
        Of M images.
    is_good : (M, h, w) bool
        Whether the centre of each cell is unspoiled.
    sources : list of int
        Row of each one's real image.
    parts_label : list of bool
        As of `CorruptedImage`.
    """

    stream_features: StreamFeatures
    is_good: Tensor
    sources: list[int]
    parts_label: list[bool]


class StreamTraining:
    """The images of a preparation, their clues, and what networks are to learn from them.

    Features are gathered when they are first needed, each image's by the reference segmenter of
    its own fold.

    Parameters
    ----------
    preparation : Preparation
    splits : dict of str to Split
    settings : StreamsSettings
    see : callable
        From a fold, images (N, 3, H, W) in [0, 1] and labels (N, h, w) to their clues.
    device : torch.device
    """

    def __init__(
        self,
        preparation: Preparation,
        splits: Mapping[str, Split],
        settings: StreamsSettings,
        see: See,
        device: torch.device,
    ) -> None:
        self.preparation = preparation
        self.settings = settings
        self._see, self._device = see, device
        self._real, self._synthetic = preparation.real, preparation.synthetic
        keys = (*self._real.keys, *self._synthetic.keys)
        self.folds = [splits[key].fold for key in keys]
        self.is_held_out = [splits[key].held_out for key in keys]
        is_real = [True] * len(self._real.keys) + [False] * len(self._synthetic.keys)
        self.is_real = torch.tensor(is_real, device=device)

    @cached_property
    def stream_features(self) -> StreamFeatures:
        """StreamFeatures of all images, real ones first."""
        images = torch.cat([self._real.images, self._synthetic.images])
        labels = centres(torch.cat([self._real.label_map, self._synthetic.label_map]))
        return self._gather(images, labels, self.folds)

    def domain_training_set(self, fold: int) -> TrainingSet:
        """Real or synthetic, each domain counting the same."""
        train, stop = (
            [row for row in range(len(self.folds)) if self._is_for(fold, row, held_out=held_out)]
            for held_out in (False, True)
        )
        weight = self.stream_features.valid.float()
        for rows in (train, stop):
            for is_real in (True, False):
                domain = [row for row in rows if bool(self.is_real[row]) == is_real]
                weight[domain] *= len(rows) / 2 / max(1, len(domain))
        target = self.is_real[:, None, None].expand_as(weight).float()
        return TrainingSet(self.stream_features, target, weight, train, stop)

    def corruption_training_set(self, fold: int) -> TrainingSet:
        """Unspoiled or spoiled, in real images."""
        return self._corrupted_training_set(fold, range(len(self._injected.sources)))

    def mismatch_training_set(self, fold: int) -> TrainingSet:
        """Unspoiled or spoiled, by faults that part a label from what is in the image."""
        is_asked = self._injected.parts_label
        return self._corrupted_training_set(
            fold, [row for row, is_so in enumerate(is_asked) if is_so]
        )

    def _corrupted_training_set(self, fold: int, injected: Sequence[int]) -> TrainingSet:
        """Take some of the planted images as a lesson."""
        stream_features, is_good, sources, _ = self._injected
        train, stop = (
            [row for row in injected if self._is_for(fold, sources[row], held_out=held_out)]
            for held_out in (False, True)
        )
        return TrainingSet(
            stream_features, is_good.float(), stream_features.valid.float(), train, stop
        )

    def cross_fit(self, networks: Sequence[StreamNetwork]) -> Tensor:
        """Logits of every image from the network of its own fold, (N, h, w)."""
        logits = torch.zeros(self.stream_features.label_map.shape, device=self._device)
        for fold, network in enumerate(networks):
            rows = [row for row, own in enumerate(self.folds) if own == fold]
            if rows:
                logits[rows] = run(network, self.stream_features.pick(rows))
        return logits

    @cached_property
    def _injected(self) -> CorruptionFeatures:
        """Gather the clues of planted images."""
        settings = self.settings
        num_real = len(self._real.keys)
        cells_each = math.prod(grid_size(*self._real.label_map.shape[1:]))
        num_cells = num_real * cells_each
        times = max(1, settings.injections * MANY_CELLS // max(num_cells, MANY_CELLS))
        most = max(1, MOST_CELLS // cells_each)
        injected = self.preparation.inject(settings.corruptions, times, most, self.folds[:num_real])
        stream_features, is_good, sources, parts_label = [], [], [], []
        for group in _groups(injected, CHUNK):
            images = torch.stack([item.image for item in group])
            labels = centres(torch.stack([item.label_map for item in group]))
            own = [item.source for item in group]
            stream_features.append(self._gather(images, labels, [self.folds[row] for row in own]))
            is_good.append(~centres(torch.stack([item.is_corrupted for item in group])))
            sources += own
            parts_label += [item.parts_label for item in group]
        return CorruptionFeatures(
            join(stream_features), torch.cat(is_good).to(self._device), sources, parts_label
        )

    @torch.no_grad()
    def _gather(self, images: Tensor, labels: Tensor, folds: Sequence[int]) -> StreamFeatures:
        """Gather clues, each image's for its own fold."""
        parts, order = [], []
        for fold in sorted(set(folds)):
            rows = [row for row, own in enumerate(folds) if own == fold]
            for start in range(0, len(rows), CHUNK):
                some = rows[start : start + CHUNK]
                moved = images[some].to(self._device).float() / 255
                parts.append(self._see(fold, moved, labels[some].to(self._device)))
                order += some
        back = torch.empty(len(order), dtype=torch.int64)
        back[torch.tensor(order)] = torch.arange(len(order))
        return join(parts).pick(back)

    def _is_for(self, fold: int, source: int, *, held_out: bool) -> bool:
        """Tell whether a source is in another fold, and held out or not."""
        return self.folds[source] != fold and self.is_held_out[source] == held_out


def _groups(items: Iterable[CorruptedImage], size: int) -> Iterable[list[CorruptedImage]]:
    """Cut into lists of `size`, the last one shorter."""
    group: list[CorruptedImage] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
