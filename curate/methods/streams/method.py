"""Streams: separate small networks for separate evidence, and a fusion that loses none of it.

A network that sees predictions alone is blind to how things look, and one that sees everything
listens to the loudest clue only. So each kind of evidence has networks of its own, which learn
before the joint training and then stay as they are:

- *appearance*: real or synthetic, from the features of a frozen encoder's early stages;
- *semantics*: real or synthetic, from what a witness takes a cell for, and its label;
- *layout*: real or synthetic, from where in the image a label stands;
- *planted*: spoiled or not, from the first two, where faults were planted in real images;
- *mismatch*: the same from semantics alone, for faults that part a label from what is in the image.

Each image has a fold; its witness and its networks never learned from it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from torch import Tensor, nn

from curate.methods.base import Method, MethodContext, Preparation, Progress, unit_weights
from curate.methods.running_weights import RunningWeights
from curate.methods.streams.calibrated_fusion import Fusion
from curate.methods.streams.features import (
    StreamFeatures,
    reference_log_probabilities,
    see_appearance,
)
from curate.methods.streams.networks import StreamNetwork, fit
from curate.methods.streams.reference import train_reference
from curate.methods.streams.settings import StreamsSettings
from curate.methods.streams.streams import STREAMS
from curate.methods.streams.training_sets import StreamTraining
from curate.records import IGNORE_INDEX, Evidence, LevelScores
from curate.seeding import stable_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MAX_SEEN: Final = 50_000_000
"""Scores of cells that the joint training keeps in mind; 200 MB."""
_ANY_SIZE: Final = (64, 64)


class Streams(Method):
    """Witnesses, the networks of each stream, and their fusion."""

    Settings = StreamsSettings
    prepares = True
    weighs_uncropped = True

    num_learned: Tensor

    def __init__(self, settings: StreamsSettings, context: MethodContext) -> None:
        super().__init__()
        self.settings = settings
        self.splits = dict(context.splits)
        self.encoder = context.build_encoder(settings.encoder).requires_grad_(False)
        self.references = nn.ModuleList(context.build_segmenter() for _ in self._folds)
        channels = cast("Any", self.encoder).feature_channels(settings.appearance, _ANY_SIZE)
        num_features = sum(channels.values())
        self.networks = nn.ModuleDict()
        for name, stream in STREAMS.items():
            sees, width = stream.sees, stream.width
            num_inputs = StreamNetwork.count_channels(sees, num_features, context.num_classes)
            build = partial(context.build_weighter, stream.network, num_inputs, 1, width=width)
            self.networks[name] = nn.ModuleList(
                StreamNetwork(build(), sees, num_features) for _ in self._folds
            )
        self.running = RunningWeights(
            min_ess=settings.min_ess, max_power=1.0, clip=10.0, uniform=0.0
        )
        self.fusion = Fusion(context.num_classes)
        self._seen: dict[str, Tensor] = {}
        self.register_buffer("num_learned", torch.zeros((), dtype=torch.int64))

    @classmethod
    def build(cls, settings: StreamsSettings, context: MethodContext) -> Streams:
        """Make the untrained networks."""
        return cls(settings, context)

    @classmethod
    def encoder_stages(cls, settings: StreamsSettings) -> tuple[str, tuple[str, ...]]:
        """Frozen encoder and its stages that tell how things look."""
        return settings.encoder, settings.appearance

    @classmethod
    def corruptions(cls, settings: StreamsSettings) -> tuple[str, ...]:
        """Kinds that are planted in real images."""
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
        """Set the mode; what learns in `prepare` only stays in evaluation mode."""
        super().train(mode)
        for part in (self.encoder, self.references, self.networks):
            part.eval()
        return self

    def prepare(self, preparation: Preparation) -> Iterator[Progress]:
        """Train a witness a fold, then stream after stream, then find out which may speak."""
        self.train()
        stream_training = StreamTraining(
            preparation, self.splits, self.settings, self._see, self.num_learned.device
        )
        parts: list[Callable[[], Iterator[object]]] = [
            partial(self._train_reference, fold, preparation) for fold in self._folds
        ]
        parts += [partial(self._learn_stream, name, stream_training) for name in STREAMS]
        parts += [partial(self._calibrate_streams, stream_training)]
        for number in range(int(self.num_learned), len(parts)):
            for _ in parts[number]():
                yield Progress(number, len(parts), is_safe=False)
            self.num_learned.fill_(number + 1)
            yield Progress(number + 1, len(parts), is_safe=True)

    @torch.no_grad()
    def step(self, evidence: Evidence, *, is_warmup: bool) -> tuple[Tensor, dict[str, float]]:
        """Weigh the batch's synthetic cells by their scores; nothing is learned.

        Images are weighed whole: random changes enlarge, crop and recolour, and what is wrong is
        found less well in what they leave. So an image has one score, however often it is drawn.

        Scores choose among the cells of a class; how much a class counts, see `class_factors`.
        """
        weights = unit_weights(evidence)
        if is_warmup or not self.fusion.active:
            return weights, {}
        scores = self.fusion.balance(self._recall(evidence), evidence.label_map)
        synthetic = (evidence.label_map != IGNORE_INDEX) & ~evidence.is_real[:, None, None]
        weights, ess = self.running.weigh(scores, synthetic)
        return weights, {"ess": float(ess)}

    def evaluate(self, held_out: Sequence[Evidence], *, is_last: bool) -> dict[str, float]:  # noqa: ARG002
        """Tell how well each stream told real from synthetic cells that it did not learn from.

        A stream that does not speak counts as chance, 0.5.
        """
        active = self.fusion.active
        measured = zip(STREAMS, self.fusion.aurocs.tolist(), strict=True)
        return {f"auroc_{name}": area if name in active else 0.5 for name, area in measured}

    def warning(self, measured: Mapping[str, float]) -> str | None:  # noqa: ARG002
        """Doubt the weights if no stream speaks."""
        if self.fusion.active:
            return None
        return (
            "The weights carry no signal: no stream finds anything in synthetic images that real "
            "ones do not have, on images that it never learned from. Weights are uniform, all 1. "
            "If the sets do differ, add real images, or in [method] name more faults, or raise "
            "reference_steps."
        )

    @torch.no_grad()
    def scores(self, evidence: Evidence) -> LevelScores:
        """Score each image by all folds that did not learn from it.

        Witnesses and the planted stream learn from real images only, and so judge a synthetic
        image by the mean of all folds.

        The pixel level is that of the streams that judge a cell by itself, the region level that
        of planted faults, which see a cell's surroundings, and the image level the mean of the
        combined score over the image.
        """
        labels = evidence.label_map
        posteriors: dict[str, Tensor] = {}
        if self.fusion.active:
            # every fold sees all images: what else is in a batch must not change a score
            appearance = self._look(evidence.images)
            folds = [
                self._posterior_of(fold, self._ask(fold, evidence.images, appearance, labels))
                for fold in self._folds
            ]
            posteriors = {
                name: self._pick(name, [each[name] for each in folds], evidence.keys)
                for name in folds[0]
            }
        combined = self.fusion.fuse(posteriors, labels)
        valid = labels != IGNORE_INDEX
        means = (combined * valid).sum(dim=(1, 2)) / valid.sum(dim=(1, 2)).clamp(min=1)
        cellwise = {
            n: posterior for n, posterior in posteriors.items() if not STREAMS[n].sees_corruptions
        }
        by_corruptions = {
            n: posterior for n, posterior in posteriors.items() if STREAMS[n].sees_corruptions
        }
        return LevelScores(
            image=means[:, None, None].expand_as(combined).contiguous(),
            region=self.fusion.fuse(by_corruptions, labels),
            pixel=self.fusion.fuse(cellwise, labels),
            combined=combined,
            streams=posteriors,
        )

    def _recall(self, evidence: Evidence) -> Tensor:
        """Score the synthetic images, those that were seen before from memory: (N, h, w)."""
        found = torch.full_like(unit_weights(evidence), 0.5)
        rows = torch.nonzero(~evidence.is_real)[:, 0].tolist()
        new = [row for row in rows if evidence.keys[row] not in self._seen]
        # On a CPU one by one: what else has to be scored then must not change a bit of a score,
        # or a run that goes on, and has forgotten, would not be the same.
        together = max(1, len(new)) if found.is_cuda else 1
        for start in range(0, len(new), together):
            some = new[start : start + together]
            for row, score in zip(some, self.scores(evidence.pick(some)).combined, strict=True):
                self._seen[evidence.keys[row]] = score
        for row in rows:
            found[row] = self._seen[evidence.keys[row]]
        while len(self._seen) * found[0].numel() > MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        return found

    @property
    def _folds(self) -> range:
        """Numbers of the folds."""
        return range(self.settings.folds)

    def _pick(self, stream: str, posteriors: Sequence[Tensor], keys: Sequence[str]) -> Tensor:
        """Read each image from the folds whose networks did not learn from it."""
        mean = torch.stack(list(posteriors)).mean(dim=0)
        rows = [
            posteriors[self.splits[key].fold][row] if self._learned_from(stream, key) else mean[row]
            for row, key in enumerate(keys)
        ]
        return torch.stack(rows)

    def _learned_from(self, stream: str, key: str) -> bool:
        """Tell whether the stream's networks of other folds may have learned from an image."""
        return key in self.splits and (key.startswith("r") or not STREAMS[stream].sees_corruptions)

    def _see(self, fold: int, images: Tensor, labels: Tensor) -> StreamFeatures:
        """Gather the clues about images (N, 3, H, W) in [0, 1] and labels (N, h, w), for a fold."""
        return self._ask(fold, images, self._look(images), labels)

    def _look(self, images: Tensor) -> Tensor:
        """Encode images: their appearance, the same for all folds."""
        settings = self.settings
        return see_appearance(
            cast("Any", self.encoder), images, settings.appearance, enlarge=settings.enlarge
        )

    def _ask(self, fold: int, images: Tensor, appearance: Tensor, labels: Tensor) -> StreamFeatures:
        """Ask the witness of a fold what it takes the images for."""
        log_predictions = reference_log_probabilities(cast("Any", self.references[fold]), images)
        return StreamFeatures(appearance, log_predictions, labels.to(torch.uint8))

    def _posterior_of(self, fold: int, stream_features: StreamFeatures) -> dict[str, Tensor]:
        """Return what each stream that speaks holds of each cell: "unspoiled", (N, h, w)."""
        return {
            name: self.fusion.posterior_of(name, self._networks_of(name)[fold](stream_features))
            for name in self.fusion.active
        }

    def _networks_of(self, name: str) -> list[StreamNetwork]:
        """Networks of a stream, one a fold."""
        return [cast("StreamNetwork", n) for n in cast("nn.ModuleList", self.networks[name])]

    def _train_reference(self, fold: int, preparation: Preparation) -> Iterator[object]:
        """Train the witness of a fold on the real images of the others."""
        excluded = frozenset(key for key, split in self.splits.items() if split.fold == fold)
        steps = min(self.settings.reference_steps, preparation.num_steps)
        yield from train_reference(
            cast("Any", self.references[fold]),
            preparation.draw_real(excluded, steps),
            preparation.pick_pieces,
            steps=steps,
            learning_rate=self.settings.reference_learning_rate,
            seed=stable_seed(preparation.seed, "witness", fold),
            device=self.num_learned.device,
        )

    def _learn_stream(self, name: str, stream_training: StreamTraining) -> Iterator[object]:
        """Fit the networks of a stream."""
        stream = STREAMS[name]
        for fold, network in enumerate(self._networks_of(name)):
            training_set = stream.training_set(stream_training, fold)
            network.standardise(training_set.stream_features)
            seed = stable_seed(stream_training.preparation.seed, name, fold)
            yield fit(network, training_set, self.settings, seed=seed, passes=stream.passes)

    def _calibrate_streams(self, stream_training: StreamTraining) -> Iterator[object]:
        """Find out which streams may speak."""
        logits = {}
        for name in STREAMS:
            logits[name] = stream_training.cross_fit(self._networks_of(name))
            yield name
        self.fusion.calibrate_streams(
            logits, stream_training.stream_features.label_map, stream_training.is_real
        )
