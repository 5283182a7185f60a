"""The streams: the inputs of each one, and the training sets of their networks."""

from __future__ import annotations

import math
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from curate.corruptions import STRENGTHS
from curate.grid import centres, grid_size
from curate.methods.streams import networks
from curate.methods.streams.features import StreamFeatures, count_together
from curate.methods.streams.networks import APPEARANCE, LAYOUT, SEMANTICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from curate.methods.protocol import Preparation, Split
    from curate.methods.streams.settings import StreamsSettings

    Extract = Callable[[int, Tensor, Tensor], StreamFeatures]

MANY_CELLS: Final = 72_000
"""Where real images have more cells together, corruptions are injected into each in proportion
less often, but at least once; 60 images of 120x160 pixels have as many."""

MAX_INJECTED_CELLS: Final = 5_000_000
"""Cells of corrupted images, at most; their features take about a gigabyte. Larger images get
fewer corruptions."""


class InjectedFeatures(NamedTuple):
    """Features of real images with an injected corruption, or left as they are.

    Attributes
    ----------
    features : StreamFeatures
        Of M images.
    is_sound : (M, h, w) bool
        Whether the centre of each cell is not corrupted.
    sources : list of int
        Row of each one's real image.
    is_mismatch : list of bool
        See `curate.methods.protocol.Injected`.
    """

    features: StreamFeatures
    is_sound: Tensor
    sources: list[int]
    is_mismatch: list[bool]


class StreamTraining:
    """The images of a preparation, their features, and the training sets made of them.

    Features are extracted when they are first needed, each image's with the reference segmenter
    of its own fold.

    Parameters
    ----------
    preparation : Preparation
    splits : dict of str to Split
    settings : StreamsSettings
    extract : callable
        From a fold, images (N, 3, H, W) in [0, 1] and labels (N, h, w) to their features.
    device : torch.device
    """

    def __init__(
        self,
        preparation: Preparation,
        splits: Mapping[str, Split],
        settings: StreamsSettings,
        extract: Extract,
        device: torch.device,
    ) -> None:
        self.preparation = preparation
        self.settings = settings
        self._extract, self._device = extract, device
        self._real, self._synthetic = preparation.real, preparation.synthetic
        keys = (*self._real.keys, *self._synthetic.keys)
        self.folds = [splits[key].fold for key in keys]
        self.is_held_out = [splits[key].held_out for key in keys]
        is_real = [True] * len(self._real.keys) + [False] * len(self._synthetic.keys)
        self.is_real = torch.tensor(is_real, device=device)

    @cached_property
    def features(self) -> StreamFeatures:
        """Features of all images, real ones first."""
        images = [*self._real.images, *self._synthetic.images]
        labels = [*self._real.label_map, *self._synthetic.label_map]
        return self._extract_all(images, labels, self.folds)

    def domain_training_set(self, fold: int) -> networks.TrainingSet:
        """Real or synthetic, each domain counting the same."""
        train, stop = (
            [row for row in range(len(self.folds)) if self._is_for(fold, row, held_out=held_out)]
            for held_out in (False, True)
        )
        weight = self.features.valid.float()
        for rows in (train, stop):
            for is_real in (True, False):
                domain = [row for row in rows if bool(self.is_real[row]) == is_real]
                weight[domain] *= len(rows) / 2 / max(1, len(domain))
        target = self.is_real[:, None, None].expand_as(weight).float()
        return networks.TrainingSet(self.features, target, weight, train, stop)

    def corruption_training_set(self, fold: int) -> networks.TrainingSet:
        """Sound or corrupted, in real images."""
        return self._injected_training_set(fold, range(len(self._injected.sources)))

    def mismatch_training_set(self, fold: int) -> networks.TrainingSet:
        """Sound or corrupted, by corruptions after which label and image no longer match."""
        rows = [row for row, is_mismatch in enumerate(self._injected.is_mismatch) if is_mismatch]
        return self._injected_training_set(fold, rows)

    def _injected_training_set(self, fold: int, rows: Sequence[int]) -> networks.TrainingSet:
        """Make a training set of some of the injected images."""
        features, is_sound, sources, _ = self._injected
        train, stop = (
            [row for row in rows if self._is_for(fold, sources[row], held_out=held_out)]
            for held_out in (False, True)
        )
        return networks.TrainingSet(features, is_sound.float(), features.valid.float(), train, stop)

    def cross_fit(self, own_networks: Sequence[networks.StreamNetwork]) -> Tensor:
        """Logits of every image from the network of its own fold, (N, h, w)."""
        logits = torch.zeros(self.features.label_map.shape, device=self._device)
        for fold, network in enumerate(own_networks):
            rows = [row for row, own in enumerate(self.folds) if own == fold]
            if rows:
                logits[rows] = networks.compute_logits(network, self.features.take(rows))
        return logits

    @cached_property
    def _injected(self) -> InjectedFeatures:
        """Extract the features of corrupted images."""
        settings = self.settings
        num_real = len(self._real.keys)
        cells_each = math.prod(grid_size(*self._real.label_map.shape[1:]))
        num_cells = num_real * cells_each
        times = max(1, settings.injections * MANY_CELLS // max(num_cells, MANY_CELLS))
        most = max(1, MAX_INJECTED_CELLS // cells_each)
        num_plans = len(settings.corruptions) * len(STRENGTHS) * times
        most_kept = num_real + min(num_real * num_plans, most + num_real)
        injected = self.preparation.inject(settings.corruptions, times, most, self.folds[:num_real])
        features: StreamFeatures | None = None
        is_sound = []
        sources: list[int] = []
        is_mismatch: list[bool] = []
        while group := list(islice(injected, count_together(cells_each))):
            rows, images, is_mismatch_here = zip(*group, strict=True)
            image, label_map, is_corrupted = (
                torch.from_numpy(np.stack([getattr(each, name) for each in images]))
                for name in ("image", "label_map", "is_corrupted")
            )
            folds = [self.folds[row] for row in rows]
            part = self._extract_all([*image], [*label_map], folds)
            features = part.make_room(most_kept) if features is None else features
            features.put(range(len(sources), len(sources) + len(rows)), part)
            is_sound.append(~centres(is_corrupted))
            sources += rows
            is_mismatch += is_mismatch_here
        assert features
        features = features.first(len(sources))
        return InjectedFeatures(
            features, torch.cat(is_sound).to(self._device), sources, is_mismatch
        )

    @torch.no_grad()
    def _extract_all(
        self, images: Sequence[Tensor], label_maps: Sequence[Tensor], folds: Sequence[int]
    ) -> StreamFeatures:
        """Extract features of images and their label maps, each one's for its own fold."""
        made: StreamFeatures | None = None
        together = count_together(math.prod(grid_size(*label_maps[0].shape)))
        for fold in sorted(set(folds)):
            rows = [row for row, own in enumerate(folds) if own == fold]
            for start in range(0, len(rows), together):
                some = rows[start : start + together]
                moved = torch.stack([images[row] for row in some]).to(self._device).float() / 255
                labels = centres(torch.stack([label_maps[row] for row in some]))
                part = self._extract(fold, moved, labels.to(self._device))
                made = part.make_room(len(folds)) if made is None else made
                made.put(some, part)
        assert made
        return made

    def _is_for(self, fold: int, source: int, *, held_out: bool) -> bool:
        """Whether a source is in another fold, and held out or not."""
        return self.folds[source] != fold and self.is_held_out[source] == held_out


CORRUPTION: Final = "corruption"
MISMATCH: Final = "mismatch"


class Stream(NamedTuple):
    """A kind of features with networks of its own.

    Attributes
    ----------
    inputs : tuple of str
        See `StreamNetwork`.
    network, width : str, int
        Kind and width of its networks, see `build_weighter`.
    training_set : callable
        What the network of a fold is trained on.
    epoch_factor : int
        It is trained for so many times the epochs of the settings.
    """

    inputs: tuple[str, ...]
    network: str
    width: int
    training_set: Callable[[StreamTraining, int], networks.TrainingSet]
    epoch_factor: int = 1

    @property
    def has_context(self) -> bool:
        """Whether its inputs in a cell depend on the image in the cells beside it."""
        return self.inputs != (LAYOUT,)

    @property
    def is_real_only(self) -> bool:
        """Whether it is trained on real images only, into which corruptions were injected."""
        return self.training_set is not StreamTraining.domain_training_set


STREAMS: Final[dict[str, Stream]] = {
    CORRUPTION: Stream(
        (APPEARANCE, SEMANTICS), "context", 32, StreamTraining.corruption_training_set
    ),
    MISMATCH: Stream((SEMANTICS,), "context", 32, StreamTraining.mismatch_training_set),
    APPEARANCE: Stream((APPEARANCE,), "pixel", 64, StreamTraining.domain_training_set),
    SEMANTICS: Stream((SEMANTICS,), "pixel", 64, StreamTraining.domain_training_set),
    # of four coordinates, bounds in the image take long to learn
    LAYOUT: Stream((LAYOUT,), "pixel", 64, StreamTraining.domain_training_set, epoch_factor=3),
}
"""By name; the corruption stream comes first: those with context are trusted as far as they agree
with it."""
