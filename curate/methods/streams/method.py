"""Streams: separate small networks for separate features, and a fusion of their posteriors.

A network that gets predictions alone cannot tell how things look, and in one network that gets
everything the strongest features drown the others. So each kind of features has networks of its
own, which are trained before the joint training and then stay as they are:

- *appearance*: real or synthetic, from the features of a frozen encoder's early stages;
- *semantics*: real or synthetic, from what a reference segmenter predicts in a cell, and its label;
- *layout*: real or synthetic, from where in the image a label stands;
- *corruption*: sound or corrupted, from the first two, in real images with injected corruptions;
- *mismatch*: the same from semantics alone, for corruptions after which label and image no longer
  match.

Each image has a fold; its reference segmenter and its networks were not trained on it.

What the streams find is the score. What is found need not hurt a training, and so weights do not
follow from it, but from how probably a given label is right; see
`curate.methods.label_confidence`.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final, cast

import torch
from torch import Tensor, nn

from curate import grid, models, records, seeding
from curate.methods import label_confidence, protocol, references
from curate.methods.streams import features, together
from curate.methods.streams.fusion import Fusion
from curate.methods.streams.networks import StreamNetwork, fit_epochs
from curate.methods.streams.settings import StreamsSettings
from curate.methods.streams.streams import STREAMS, StreamTraining

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from curate.models.devices import Device
    from curate.weighting import WeightRule

_ANY_SIZE: Final = (64, 64)


class Streams(protocol.Method):
    """The reference segmenters, the networks of each stream, and their fusion."""

    Settings = StreamsSettings
    prepares = True

    num_learned: Tensor

    def __init__(self, settings: StreamsSettings, context: protocol.MethodContext) -> None:
        super().__init__()
        self.settings = settings
        self.splits = dict(context.splits)
        self.encoder = context.build_encoder(settings.encoder).requires_grad_(False)
        self._folded_encoder = models.FoldedCopy(self.encoder)
        self.references = references.References(context.build_segmenter() for _ in self._folds)
        channels = self.encoder.feature_channels(settings.appearance, _ANY_SIZE)
        num_features = sum(channels.values())
        self.networks = nn.ModuleDict()
        for name, stream in STREAMS.items():
            inputs, width = stream.inputs, stream.width
            num_inputs = StreamNetwork.count_channels(inputs, num_features, context.num_classes)
            build = partial(models.build_weighter, stream.network, num_inputs, 1, width=width)
            self.networks[name] = nn.ModuleList(
                StreamNetwork(build(), inputs, num_features) for _ in self._folds
            )
        self.confidence = label_confidence.LabelConfidence(
            context.num_classes, context.splits, own=settings.own, clip=settings.clip
        )
        self.fusion = Fusion()
        self.register_buffer("num_learned", torch.zeros((), dtype=torch.int64))

    @classmethod
    def encoder_stages(cls, settings: StreamsSettings) -> tuple[str, tuple[str, ...]]:
        """Frozen encoder, and its stages whose features are those of appearance."""
        return settings.encoder, settings.appearance

    @classmethod
    def corruptions(cls, settings: StreamsSettings) -> tuple[str, ...]:
        """Corruptions that are injected into real images."""
        return settings.corruptions

    @classmethod
    def num_folds(cls, settings: StreamsSettings) -> int:
        """Cross-fitting folds."""
        return settings.folds

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of all streams."""
        return tuple(STREAMS)

    def train(self, mode: bool = True) -> Streams:
        """Set the mode; what is trained in `prepare` only stays in evaluation mode."""
        super().train(mode)
        for part in (self.encoder, self.networks):
            part.eval()
        return self

    @classmethod
    def steps_before(cls, settings: StreamsSettings, num_steps: int) -> int:
        """Count the steps of a reference segmenter."""
        return min(settings.reference_steps, num_steps)

    def prepare(self, preparation: protocol.Preparation) -> Iterator[protocol.Progress]:
        """Train a reference segmenter a fold, then stream after stream, then calibrate them."""
        self.train()
        training = StreamTraining(
            preparation, self.splits, self.settings, self._extract, self.num_learned.device
        )
        parts: list[Callable[[], Iterator[float]]] = [
            partial(self._train_reference, fold, preparation) for fold in self._folds
        ]
        parts += [partial(self._train_stream, name, training) for name in STREAMS]
        parts += [partial(self._calibrate, training)]
        for number in range(int(self.num_learned), len(parts)):
            for share in parts[number]():
                yield protocol.Progress(number, len(parts), is_safe=False, share=share)
            self.num_learned.fill_(number + 1)
            yield protocol.Progress(number + 1, len(parts), is_safe=True)

    @torch.no_grad()
    def step(
        self, evidence: records.Evidence, *, is_warmup: bool
    ) -> tuple[Tensor, dict[str, float]]:
        """Weigh the batch's synthetic cells by how probable their labels are."""
        return self.confidence.step(evidence, self.references.predict, is_warmup=is_warmup)

    def evaluate(self, held_out: Sequence[records.Evidence], *, is_last: bool) -> dict[str, float]:  # noqa: ARG002
        """Return how well each stream told real from synthetic cells that it was not trained on.

        An inactive stream counts as chance, 0.5.
        """
        active = self.fusion.active_streams
        measured = zip(STREAMS, self.fusion.aurocs.tolist(), strict=True)
        return {f"auroc_{name}": area if name in active else 0.5 for name, area in measured}

    @property
    def active_streams(self) -> tuple[str, ...]:
        """Names of the streams that have a say in the scores."""
        return tuple(self.fusion.active_streams)

    def warning(self, measured: Mapping[str, float]) -> str | None:  # noqa: ARG002
        """Warn if no stream is active."""
        if self.fusion.active_streams:
            return None
        return (
            "The scores carry no signal: no stream finds anything in synthetic images that real "
            "ones do not have, on images that it was not trained on. Scores are uniform, all 0.5. "
            "If the sets do differ, add real images, or in [method] name more corruptions, or "
            "raise reference_steps."
        )

    @torch.no_grad()
    def scores(self, evidence: records.Evidence) -> records.LevelScores:
        """Score each image by all folds whose networks were not trained on it.

        Reference segmenters, and the streams of corruptions, are trained on real images only, and
        so a synthetic image gets the mean of all folds.

        The pixel level is that of the streams that were trained on the domains, the region level
        that of the streams of corruptions, whose networks see a cell's surroundings, and the image
        level the mean of the combined score over the image.
        """
        labels = evidence.label_map
        posteriors: dict[str, Tensor] = {}
        # every fold gets all images: what else is in a batch must not change a score
        logs = self.references.predict_all(evidence.images)
        if self.fusion.active_streams:
            appearance = self._encode(evidence.images)
            seen = [self._join(appearance, logs[fold], labels) for fold in self._folds]
            folds = self._posteriors(seen)
            posteriors = {
                name: self._choose_folds(name, [each[name] for each in folds], evidence.keys)
                for name in folds[0]
            }
        combined = self.fusion.fuse(posteriors, labels)
        valid = labels != records.IGNORE_INDEX
        of_domains, of_corruptions = (
            {n: each for n, each in posteriors.items() if STREAMS[n].is_real_only == is_real_only}
            for is_real_only in (False, True)
        )
        return records.LevelScores(
            image=grid.spread_image_means(combined, valid),
            region=self.fusion.fuse(of_corruptions, labels),
            pixel=self.fusion.fuse(of_domains, labels),
            combined=combined,
            streams=posteriors,
            worth=self.confidence(evidence, logs),
        )

    def compute_on(self, device: Device) -> None:
        """Move to a device; the encoder's features of fine textures are never rounded."""
        super().compute_on(device)
        self.encoder.autocast = nullcontext

    def fold_frozen(self, size: tuple[int, int]) -> None:
        """Fold the batch normalisation of segmenters, but not of the stages that are features."""
        models.fold_in_place(self.encoder, _ANY_SIZE, self.settings.appearance)
        self.references.fold(size)

    def weight_rule(self) -> WeightRule:
        """Return the rule of the last step."""
        return self.confidence.weight_rule()

    @property
    def _folds(self) -> range:
        """Numbers of the folds."""
        return range(self.settings.folds)

    def _choose_folds(self, name: str, posteriors: Sequence[Tensor], keys: Sequence[str]) -> Tensor:
        """Take each image's posterior from the folds whose networks were not trained on it."""
        mean = torch.stack(list(posteriors)).mean(dim=0)
        rows = [
            posteriors[self.splits[key].fold][row] if self._trains_on(name, key) else mean[row]
            for row, key in enumerate(keys)
        ]
        return torch.stack(rows)

    def _trains_on(self, name: str, key: str) -> bool:
        """Whether the stream's networks of other folds may have been trained on an image."""
        return key in self.splits and (key.startswith("r") or not STREAMS[name].is_real_only)

    def _extract(self, fold: int, images: Tensor, labels: Tensor) -> features.StreamFeatures:
        """Features of images (N, 3, H, W) in [0, 1] and labels (N, h, w), for a fold."""
        return self._join(self._encode(images), self.references.predict(fold, images), labels)

    def _encode(self, images: Tensor) -> Tensor:
        """Encode images: their appearance, the same for all folds."""
        settings = self.settings
        encoder = self._folded_encoder.get(_ANY_SIZE, settings.appearance)
        return features.encode_appearance(
            encoder, images, settings.appearance, enlarge=settings.enlarge
        )

    def _join(self, appearance: Tensor, logs: Tensor, labels: Tensor) -> features.StreamFeatures:
        """Put features of images together."""
        return features.StreamFeatures(appearance, logs, labels.to(torch.uint8))

    def _posteriors(self, seen: Sequence[features.StreamFeatures]) -> list[dict[str, Tensor]]:
        """Posterior "sound" of each cell by each active stream, (N, h, w), of each fold."""
        active = {name: self._networks_of(name) for name in self.fusion.active_streams}
        own = [{name: each[fold] for name, each in active.items()} for fold in self._folds]
        return [
            {name: self.fusion.posterior(name, logits) for name, logits in of_fold.items()}
            for of_fold in together.compute_folds(own, seen)
        ]

    def _networks_of(self, name: str) -> list[StreamNetwork]:
        """Networks of a stream, one a fold."""
        return [cast("StreamNetwork", n) for n in cast("nn.ModuleList", self.networks[name])]

    def _train_reference(self, fold: int, preparation: protocol.Preparation) -> Iterator[float]:
        """Train the reference segmenter of a fold on the real images of the others."""
        return self.references.learn_one(
            fold,
            preparation,
            self.splits,
            steps=self.steps_before(self.settings, preparation.num_steps),
            learning_rate=self.settings.reference_learning_rate,
            device=self.num_learned.device,
        )

    def _train_stream(self, name: str, training: StreamTraining) -> Iterator[float]:
        """Train the networks of a stream."""
        stream = STREAMS[name]
        for fold, network in enumerate(self._networks_of(name)):
            training_set = stream.training_set(training, fold)
            network.standardise(training_set.features)
            seed = seeding.stable_seed(training.preparation.seed, name, fold)
            factor = stream.epoch_factor
            training_epochs = fit_epochs(
                network, training_set, self.settings, seed=seed, epoch_factor=factor
            )
            for epoch, _ in enumerate(training_epochs, 1):
                own = epoch / (factor * self.settings.epochs)
                yield (fold + own) / self.settings.folds

    def _calibrate(self, training: StreamTraining) -> Iterator[float]:
        """Find out which streams are active, and calibrate them; learn what labels are worth."""
        logits = {}
        for number, name in enumerate(STREAMS, 1):
            logits[name] = training.cross_fit(self._networks_of(name))
            yield number / len(STREAMS)
        found = training.features
        self.fusion.calibrate(logits, found.label_map, training.is_real)
        self.confidence.calibrate(found.log_predictions, found.label_map, training.is_real)
