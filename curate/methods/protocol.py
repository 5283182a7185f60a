"""What a weighting method is: its one interface to the joint training and to scoring."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from curate import models, records, weighting
from curate.corruptions import Corrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np

    from curate.config import Strict
    from curate.models.devices import Device

Injected = tuple[int, Corrupted, bool]
"""Row of a real image; the image, corrupted or left as it is; whether it shows what a mismatch of
label and image is: one was injected, or nothing at all."""


@dataclass(frozen=True, slots=True)
class Split:
    """Where an image of the training data belongs.

    Attributes
    ----------
    held_out : bool
        True: weighting networks never train on it; it decides when they stop.
    fold : int
        The cross-fitting fold whose networks did not train on it.
    """

    held_out: bool
    fold: int


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a method may learn from before the joint training.

    Attributes
    ----------
    real, synthetic : Batch
        Images of each domain at the training size, without random changes; of a large set an
        evenly spaced part.
    draw_real : callable
        ``(excluded, steps) -> iterator of Batch``: randomly changed real images without the
        keys in the set `excluded`, the same ones at every call.
    inject : callable
        ``(names, times, most, folds) -> iterator of Injected``: every real image as it is, then
        with every corruption at every strength, `times` over, or where these would be more than
        `most` with some of them, all equally often; donors are of the image's own fold.
    choose_superpixels : callable
        ``(image, label_map, share, rng)``: about that share of an image's superpixels, (H, W)
        bool, or None where it has no class at all.
    seed : int
        Start of all random numbers.
    num_steps : int
        Steps of the joint training.
    """

    real: records.Batch
    synthetic: records.Batch
    draw_real: Callable[[frozenset[str], int], Iterator[records.Batch]]
    inject: Callable[[Sequence[str], int, int, Sequence[int]], Iterator[Injected]]
    choose_superpixels: Callable[[Tensor, Tensor, float, np.random.Generator], Tensor | None]
    seed: int
    num_steps: int


class Progress(NamedTuple):
    """How far a preparation is.

    Attributes
    ----------
    done, total : int
        Parts.
    share : float
        Of the next part that is done, in [0, 1].
    is_safe : bool
        Whether a part has just been finished: a method restored from the state of this moment
        goes on from here.
    """

    done: int
    total: int
    is_safe: bool
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class MethodContext:
    """What a method is built from.

    Attributes
    ----------
    num_classes : int
    feature_channels : dict of str to int
        Channels of each backbone stage that the method's settings name.
    real_class_px : tuple of int
        Labelled pixels of each class in the real images, at the training size.
    splits : dict of str to Split
        By image key; images that are not in it were not part of the training.
    build_segmenter : callable
        Makes one more segmenter like the one that is trained, with its pretrained backbone.
    build_encoder : callable
        Makes a segmenter, by its name, for its pretrained backbone alone.
    """

    num_classes: int
    feature_channels: Mapping[str, int]
    real_class_px: Sequence[int]
    splits: Mapping[str, Split]
    build_segmenter: Callable[[], models.Segmenter]
    build_encoder: Callable[[str], models.Segmenter]


class Method(nn.Module, ABC):
    """A way to weigh each synthetic pixel.

    A method that `prepares` learns what needs no segmenter before the joint training. That calls
    `step` on every batch and `evaluate` now and then; scoring calls `scores`. Networks are
    submodules, so ``state_dict`` holds whatever scoring needs.

    `step` of a method that `weighs_uncropped` gets the synthetic images as they are before their
    random changes, without predictions (N, C, 0, 0), and its weights are warped to the images
    that were made of them.

    Where several processes train together, `step` and `penalty` get this process's share of a
    step and take sums over the whole step with `curate.distributed`; `penalty` returns this
    process's part of the term. `evaluate` runs in the first process alone, and what it changed in
    ``state_dict`` and `training_state` is copied to the others.
    """

    Settings: ClassVar[type[Strict]]
    gives_scores: ClassVar[bool] = True
    prepares: ClassVar[bool] = False
    weighs_uncropped: ClassVar[bool] = False

    @classmethod
    def build(cls, settings: Any, context: MethodContext) -> Self:  # noqa: ANN401
        """Make an untrained method from its checked settings."""
        return cls(settings, context)

    @classmethod
    def check(cls, settings: Any) -> None:  # noqa: ANN401, ARG003
        """Raise a `ConfigError` where a package is missing that the method needs."""
        return

    @classmethod
    def stages(cls, settings: Any) -> tuple[str, ...]:  # noqa: ANN401, ARG003
        """Name the backbone stages whose features `Evidence` must hold."""
        return ()

    @classmethod
    def encoder_stages(
        cls,
        settings: Any,  # noqa: ANN401, ARG003
    ) -> tuple[str, tuple[str, ...]] | None:
        """Name the encoder of the method's own, if it has one, and the stages that are used."""
        return None

    @classmethod
    def corruptions(cls, settings: Any) -> tuple[str, ...]:  # noqa: ANN401, ARG003
        """Name the corruptions that `prepare` injects."""
        return ()

    @classmethod
    def num_folds(cls, settings: Any) -> int:  # noqa: ANN401, ARG003
        """Count the folds that the images are split into."""
        return 1

    @classmethod
    def steps_before(cls, settings: Any, num_steps: int) -> int:  # noqa: ANN401, ARG003
        """Count what a preparation depends on of the number of steps of the joint training.

        Trainings for which it is the same, and all else, share a preparation.
        """
        return num_steps

    def prepare(self, preparation: Preparation) -> Iterator[Progress]:
        """Learn in parts, in the first process alone; parts that the state holds are left out.

        What was learned is in ``state_dict`` and `training_state`, and is copied to the other
        processes.
        """
        raise NotImplementedError

    @abstractmethod
    def step(
        self, evidence: records.Evidence, *, is_warmup: bool
    ) -> tuple[Tensor, dict[str, float]]:
        """Learn from one batch and weigh it.

        Returns
        -------
        weights : (N, h, w) float32
            Detached; mean 1 over the valid cells of the synthetic data, 1 during the warm-up.
        metrics : dict of str to float
        """

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams that `scores` keeps apart, the inactive ones, too.

        Each name is a Python identifier and none of `curate.records.SCORE_NAMES`.
        ``LevelScores.streams`` has no map of an inactive one.
        """
        return ()

    @property
    def has_penalty(self) -> bool:
        """Whether `penalty` is to be added to the segmenter's loss."""
        return False

    def penalty(self, predictions: Tensor, evidence: records.Evidence) -> Tensor:
        """Return a term for the segmenter's loss.

        `predictions` are those of `evidence` with their graph to the segmenter attached.
        """
        raise NotImplementedError

    def evaluate(self, held_out: Sequence[records.Evidence], *, is_last: bool) -> dict[str, float]:  # noqa: ARG002
        """Measure the method on held-out images of both domains, and keep what is best so far."""
        return {}

    @property
    def active_streams(self) -> tuple[str, ...]:
        """Names of those `streams` that find anything, once trained."""
        return ()

    def warning(self, measured: Mapping[str, float]) -> str | None:  # noqa: ARG002
        """Return, once trained, why the weights are of no use and what to do; None if they are.

        Parameters
        ----------
        measured : dict of str to float
            What `evaluate` measured last; empty where nothing is held out.
        """
        return None

    def scores(self, evidence: records.Evidence) -> records.LevelScores:
        """Score images; see `LevelScores`."""
        raise NotImplementedError

    def compute_on(self, device: Device) -> None:
        """Move to a device; segmenters predict as precisely there as the one that is trained."""
        self.to(device.device)
        for module in self.modules():
            if isinstance(module, models.Segmenter):
                module.autocast = device.autocast

    def fold_frozen(self, size: tuple[int, int]) -> None:
        """Fold the batch normalisation of segmenters: the method only scores from now on.

        Parameters
        ----------
        size : (int, int)
            Height and width of the images.
        """
        for module in self.modules():
            if isinstance(module, models.Segmenter):
                models.fold_in_place(module, size)

    def weight_rule(self) -> weighting.WeightRule:
        """Return how the weights of the joint training followed from the scores at its end."""
        return weighting.WeightRule()

    def training_state(self) -> dict[str, Any]:
        """Nested dicts and lists of tensors and plain values that `step` needs to go on."""
        return {}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take over what `training_state` returned."""


def unit_weights(evidence: records.Evidence) -> Tensor:
    """Weight 1 for every cell."""
    return torch.ones_like(evidence.label_map, dtype=torch.float32)
