"""Lessons for the streams' networks, from the images of both domains."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from curate.methods.streams.evidence import Clues, centres, join, shares
from curate.methods.streams.networks import CHUNK, Lesson, StreamNetwork, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from curate.methods.base import PlantedImage, Preparation, Split
    from curate.methods.streams.settings import StreamsSettings

    See = Callable[[int, Tensor, Tensor], Clues]


class Workshop:
    """The images of a preparation, their clues, and what networks are to learn from them.

    Clues are gathered when they are first needed, each image's by the witness of its own fold.

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
    def clues(self) -> Clues:
        """Clues of all images, real ones first."""
        images = torch.cat([self._real.images, self._synthetic.images])
        labels = centres(torch.cat([self._real.label_map, self._synthetic.label_map]))
        return self._gather(images, labels, self.folds)

    def domain_lesson(self, fold: int) -> Lesson:
        """Real or synthetic, each domain counting the same."""
        train = self._rows(fold, range(len(self.folds)), held_out=False)
        stop = self._rows(fold, range(len(self.folds)), held_out=True)
        weight = self.clues.valid.float()
        for rows in (train, stop):
            for is_real in (True, False):
                domain = [row for row in rows if bool(self.is_real[row]) == is_real]
                weight[domain] *= len(rows) / 2 / max(1, len(domain))
        target = self.is_real[:, None, None].expand_as(weight).float()
        return Lesson(self.clues, target, weight, train, stop)

    def planted_lesson(self, fold: int) -> Lesson:
        """Unspoiled or spoiled, in real images."""
        clues, goodness, sources = self._planted
        return Lesson(
            clues,
            goodness,
            clues.valid.float(),
            self._rows(fold, sources, held_out=False),
            self._rows(fold, sources, held_out=True),
        )

    def cross_fit(self, networks: Sequence[StreamNetwork]) -> Tensor:
        """Logits of every image from the network of its own fold, (N, h, w)."""
        logits = torch.zeros(self.clues.label_map.shape, device=self._device)
        for fold, network in enumerate(networks):
            rows = [row for row, own in enumerate(self.folds) if own == fold]
            if rows:
                logits[rows] = run(network, self.clues.pick(rows))
        return logits

    @cached_property
    def _planted(self) -> tuple[Clues, Tensor, list[int]]:
        """Clues of planted images, the unspoiled share of each cell, and rows of their sources."""
        settings = self.settings
        num_real = len(self._real.keys)
        planted = self.preparation.plant(settings.faults, settings.plantings, self.folds[:num_real])
        clues, goodness, sources = [], [], []
        for group in _groups(planted, CHUNK):
            images = torch.stack([item.image for item in group])
            labels = centres(torch.stack([item.label_map for item in group]))
            own = [item.source for item in group]
            clues.append(self._gather(images, labels, [self.folds[row] for row in own]))
            goodness.append(1 - shares(torch.stack([item.is_spoiled for item in group])))
            sources += own
        return join(clues), torch.cat(goodness).to(self._device), sources

    @torch.no_grad()
    def _gather(self, images: Tensor, labels: Tensor, folds: Sequence[int]) -> Clues:
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

    def _rows(self, fold: int, sources: Sequence[int], *, held_out: bool) -> list[int]:
        """Rows whose source is in another fold, and held out or not."""
        return [
            row
            for row, source in enumerate(sources)
            if self.folds[source] != fold and self.is_held_out[source] == held_out
        ]


def _groups(items: Iterable[PlantedImage], size: int) -> Iterable[list[PlantedImage]]:
    """Cut into lists of `size`, the last one shorter."""
    group: list[PlantedImage] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
