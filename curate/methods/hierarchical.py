"""Hierarchical region selection: weighting networks at pixel, region and image level.

Re-implemented from the published summary of Sun et al., "Not All Areas Are Equal: Transfer
Learning for Semantic Segmentation via Hierarchical Region Selection", CVPR 2019,
doi 10.1109/CVPR.2019.00449. Layer tables and losses of the paper are not public; those here are
this project's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from curate.config import Strict
from curate.methods.base import Method, MethodContext, Split, unit_weights
from curate.methods.channels import balance, channel_lookup, read_channel, realism_loss
from curate.methods.combine import COMBINATIONS
from curate.methods.inputs import InputStack, stage_names
from curate.methods.judging import LevelJudge, pool_judgements
from curate.methods.running import RunningWeights
from curate.records import IGNORE_INDEX, LEVELS, Evidence, LevelScores

if TYPE_CHECKING:
    from collections.abc import Sequence


class HierarchicalSettings(Strict):
    """``[method]`` of ``hierarchical``.

    Attributes
    ----------
    inputs : names
        ``predictions``, ``label``, ``image`` and names of backbone stages (``stride4``, ..).
    levels : names
        Levels that have a weighting network.
    channels : str
        ``per_class`` (W^C) or ``shared`` (W^1).
    min_class_px : int
        Classes with fewer labelled real pixels use the shared channel.
    combine : str
        How levels become one score.
    learning_rate, weight_decay : float
        Of the weighting networks (AdamW, betas 0.9 and 0.99).
    width, region_depth : int
        Channels of the weighting networks; stride-2 convolutions of the region and image level.
    smoothing : float
        Targets are 1 - smoothing for real, smoothing for synthetic.
    min_ess, max_power, clip, uniform : float
        How sharp weights may be, see `curate.weighting.fit_weight_rule`.
    patience : int
        Evaluations without a better held-out loss after which a level stops learning.
    folds : int
        Cross-fitting: each image is scored by networks that did not train on it; 1 = off.
    adversarial : float
        Weight of the segmenter's adversarial loss on its predictions; 0 = off.
    """

    inputs: tuple[str, ...] = ("predictions",)
    levels: tuple[Literal["image", "region", "pixel"], ...] = LEVELS
    channels: Literal["per_class", "shared"] = "per_class"
    min_class_px: int = Field(2000, ge=1)
    combine: str = "mean"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    width: int = Field(32, ge=1)
    region_depth: int = Field(3, ge=1, le=5)
    smoothing: float = Field(0.05, ge=0, lt=0.5)
    min_ess: float = Field(0.4, gt=0, le=1)
    max_power: float = Field(8.0, ge=0)
    clip: float = Field(5.0, ge=1)
    uniform: float = Field(0.1, ge=0, le=1)
    patience: int = Field(5, ge=1)
    folds: int = Field(1, ge=1, le=10)
    adversarial: float = Field(0.0, ge=0)

    @field_validator("inputs", "levels")
    @classmethod
    def _has_no_repeats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) < len(value):
            msg = f"{list(value)} must name at least one, each once"
            raise ValueError(msg)
        return value

    @field_validator("combine")
    @classmethod
    def _is_a_rule(cls, value: str) -> str:
        if value not in COMBINATIONS:
            msg = f"combine = '{value}' is none of {', '.join(COMBINATIONS)}"
            raise ValueError(msg)
        return value


class Hierarchical(Method):
    """The three weighting networks, their training beside the segmenter, and their scores."""

    Settings = HierarchicalSettings

    def __init__(
        self, settings: HierarchicalSettings, context: MethodContext, stack: InputStack
    ) -> None:
        super().__init__()
        self.settings = settings
        self.splits = dict(context.splits)
        self.stack = stack
        num_channels = 1 + context.num_classes * (settings.channels == "per_class")
        lookup = channel_lookup(
            torch.tensor(context.real_class_px),
            min_px=settings.min_class_px,
            per_class=settings.channels == "per_class",
        )
        self.lookup: Tensor
        self.register_buffer("lookup", lookup)
        self.num_groups = num_channels
        self.networks = nn.ModuleDict(
            {
                f"{level}_{fold}": context.build_weighter(
                    level,
                    stack.num_channels,
                    num_channels,
                    width=settings.width,
                    depth=settings.region_depth,
                )
                for level in settings.levels
                for fold in range(settings.folds)
            }
        )
        self.running = RunningWeights(
            min_ess=settings.min_ess,
            max_power=settings.max_power,
            clip=settings.clip,
            uniform=settings.uniform,
        )
        self.is_silent: Tensor
        self.register_buffer("is_silent", torch.zeros(len(settings.levels), dtype=torch.bool))
        self.judges = {level: LevelJudge(settings.patience) for level in settings.levels}
        self._optimizer: torch.optim.Optimizer | None = None

    @classmethod
    def build(cls, settings: HierarchicalSettings, context: MethodContext) -> Hierarchical:
        """Make the untrained networks."""
        stack = InputStack(
            settings.inputs,
            num_classes=context.num_classes,
            feature_channels=context.feature_channels,
        )
        return cls(settings, context, stack)

    @classmethod
    def stages(cls, settings: HierarchicalSettings) -> tuple[str, ...]:
        """Name the inputs that are backbone stages."""
        return stage_names(settings.inputs)

    @classmethod
    def num_folds(cls, settings: HierarchicalSettings) -> int:
        """Cross-fitting folds."""
        return settings.folds

    def step(self, evidence: Evidence, *, is_warmup: bool) -> tuple[Tensor, dict[str, float]]:
        """Train every level on the batch's training images, then weigh its cells."""
        if is_warmup or (self.stack.count == 0 and self.stack.mean.numel()):
            self.stack.gather(evidence)
        if is_warmup:
            return unit_weights(evidence), {}
        inputs = self.stack(evidence)
        valid = evidence.label_map != IGNORE_INDEX
        channel = self.lookup[evidence.label_map]
        metrics, scores = {}, []
        loss = torch.zeros((), device=inputs.device)
        for index, level in enumerate(self.settings.levels):
            picked, level_loss = self._learn(level, inputs, valid, channel, evidence)
            if self.judges[level].is_learning:
                loss = loss + level_loss
            score = torch.where(self.is_silent[index], 0.5, picked.detach().sigmoid())
            scores.append(score)
            metrics[f"loss_{level}"] = level_loss.item()
            metrics[f"weight_{level}"] = _mean_over(score, valid & ~evidence.is_real[:, None, None])
        if loss.requires_grad:
            self._descend(loss)
        combined = COMBINATIONS[self.settings.combine](torch.stack(scores))
        synthetic = valid & ~evidence.is_real[:, None, None]
        weights, ess = self.running.weigh(combined, synthetic)
        return weights, metrics | {"ess": ess}

    @property
    def has_penalty(self) -> bool:
        """Whether the adversarial term is on."""
        return self.settings.adversarial > 0

    def penalty(self, predictions: Tensor, evidence: Evidence) -> Tensor:
        """Ask the segmenter for synthetic predictions that pass for real."""
        attached = replace(evidence, predictions=predictions)
        valid = evidence.label_map != IGNORE_INDEX
        synthetic = valid & ~evidence.is_real[:, None, None]
        inputs = self.stack(attached)
        channel = self.lookup[evidence.label_map]
        share = synthetic.float() / synthetic.sum().clamp(min=1)
        losses = [
            realism_loss(
                self._read(level, inputs, valid, channel, evidence.keys),
                torch.ones_like(evidence.is_real),
                2 * share,
                smoothing=self.settings.smoothing,
            )
            for level in self.settings.levels
        ]
        return self.settings.adversarial * torch.stack(losses).mean()

    @torch.no_grad()
    def judge(self, held_out: Sequence[Evidence], *, is_last: bool) -> dict[str, float]:
        """Measure each level on held-out images; keep its best networks, silence useless ones."""
        values = {}
        for index, level in enumerate(self.settings.levels):
            networks = self._level_networks(level)
            judge = self.judges[level]
            if is_last and judge.best is not None:
                live = {k: v.clone() for k, v in networks.state_dict().items()}
                live_loss = self._measure(level, held_out)["loss"]
                networks.load_state_dict(judge.best)
                if self._measure(level, held_out)["loss"] > live_loss:
                    networks.load_state_dict(live)
            measured = self._measure(level, held_out)
            if not is_last:
                judge.update(measured["loss"], networks)
            self.is_silent[index] = not judge.has_signal(measured["loss"])
            values[f"held_out_loss_{level}"] = measured["loss"]
            values[f"auroc_{level}"] = measured["auroc"]
        return values

    @torch.no_grad()
    def scores(self, evidence: Evidence) -> LevelScores:
        """Score by the networks of the fold that did not see the image; silent levels say 0.5."""
        inputs = self.stack(evidence)
        valid = evidence.label_map != IGNORE_INDEX
        channel = self.lookup[evidence.label_map]
        half = torch.full(evidence.label_map.shape, 0.5, device=inputs.device)
        maps = dict.fromkeys(LEVELS, half)
        for index, level in enumerate(self.settings.levels):
            if not self.is_silent[index]:
                picked = self._read(level, inputs, valid, channel, evidence.keys)
                maps[level] = picked.float().sigmoid()
        used = torch.stack([maps[level] for level in self.settings.levels])
        return LevelScores(**maps, combined=COMBINATIONS[self.settings.combine](used))

    def training_state(self) -> dict[str, Any]:
        """Optimiser, judges and running histogram."""
        return {
            "optimizer": self._optimizer.state_dict() if self._optimizer else {},
            "judges": {level: judge.state() for level, judge in self.judges.items()},
        }

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take over what `training_state` returned."""
        if state["optimizer"]:
            self._make_optimizer().load_state_dict(state["optimizer"])
        for level, judge in self.judges.items():
            judge.load(state["judges"][level])

    def _learn(
        self, level: str, inputs: Tensor, valid: Tensor, channel: Tensor, evidence: Evidence
    ) -> tuple[Tensor, Tensor]:
        """One forward pass of a level: the logits to weigh with and the loss to learn from."""
        logits = self._fold_logits(level, inputs, valid)
        losses = []
        for fold, fold_logits in enumerate(logits):
            takes_part = self._mask(evidence.keys, inputs.device, leave_out=fold)
            usable = valid & takes_part[:, None, None]
            losses.append(self._loss(fold_logits, channel, evidence.is_real, usable))
        picked = self._pick_fold(logits, channel, evidence.keys)
        return picked, torch.stack(losses).mean()

    def _loss(self, logits: Tensor, channel: Tensor, is_real: Tensor, usable: Tensor) -> Tensor:
        """Loss of the shared channel, plus that of the class channels where there are any."""
        everything = torch.zeros_like(channel)
        shared = balance(everything, is_real, usable, 1)
        smoothing = self.settings.smoothing
        loss = realism_loss(logits[:, 0], is_real, shared, smoothing=smoothing)
        if self.num_groups > 1:
            own = usable & (channel > 0)
            weights = balance(channel, is_real, own, self.num_groups)
            picked = read_channel(logits, channel)
            loss = loss + realism_loss(picked, is_real, weights, smoothing=smoothing)
        return loss

    def _measure(self, level: str, held_out: Sequence[Evidence]) -> dict[str, float]:
        """Log-loss and AUROC of a level over all held-out images."""
        parts = []
        for evidence in held_out:
            valid = evidence.label_map != IGNORE_INDEX
            channel = self.lookup[evidence.label_map]
            picked = self._read(level, self.stack(evidence), valid, channel, evidence.keys)
            parts.append((picked, channel, valid, evidence.is_real))
        return pool_judgements(parts, smoothing=self.settings.smoothing, level=level)

    def _read(
        self, level: str, inputs: Tensor, valid: Tensor, channel: Tensor, keys: tuple[str, ...]
    ) -> Tensor:
        """Logit of each cell from the network that may speak for it, (N, h, w)."""
        return self._pick_fold(self._fold_logits(level, inputs, valid), channel, keys)

    def _fold_logits(self, level: str, inputs: Tensor, valid: Tensor) -> list[Tensor]:
        """Logits (N, K, h, w) of each fold's network."""
        return [network(inputs, valid) for network in self._level_networks(level)]

    def _level_networks(self, level: str) -> nn.ModuleList:
        """Networks of one level, by fold."""
        return nn.ModuleList(
            [self.networks[f"{level}_{fold}"] for fold in range(self.settings.folds)]
        )

    def _pick_fold(self, logits: list[Tensor], channel: Tensor, keys: tuple[str, ...]) -> Tensor:
        """Read each image from the fold that left it out; the mean of all for unknown images."""
        picked = torch.stack([read_channel(each, channel) for each in logits])
        if len(logits) == 1:
            return picked[0]
        known = [self.splits.get(key) for key in keys]
        return torch.stack(
            [
                picked[split.fold, i] if split else picked[:, i].mean(dim=0)
                for i, split in enumerate(known)
            ]
        )

    def _mask(self, keys: tuple[str, ...], device: torch.device, *, leave_out: int) -> Tensor:
        """Tell which images train the networks of fold `leave_out`, (N,) bool."""
        folds = self.settings.folds
        chosen = [_trains(self.splits.get(key), leave_out, folds) for key in keys]
        return torch.tensor(chosen, device=device)

    def _descend(self, loss: Tensor) -> None:
        """One step of the weighting networks' optimiser."""
        optimizer = self._make_optimizer()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for level, judge in self.judges.items():
            if not judge.is_learning:
                for parameter in self._level_networks(level).parameters():
                    parameter.grad = None
        optimizer.step()

    def _make_optimizer(self) -> torch.optim.Optimizer:
        """Return the optimiser, made on first use, when the networks are on their device."""
        if self._optimizer is None:
            self._optimizer = torch.optim.AdamW(
                self.networks.parameters(),
                lr=self.settings.learning_rate,
                betas=(0.9, 0.99),
                weight_decay=self.settings.weight_decay,
            )
        return self._optimizer


def _trains(split: Split | None, leave_out: int, folds: int) -> bool:
    """Tell whether an image trains the networks of a fold."""
    if split is None or split.held_out:
        return False
    return folds == 1 or split.fold != leave_out


def _mean_over(values: Tensor, mask: Tensor) -> float:
    """Mean of the masked values; NaN where there are none."""
    return values[mask].mean().item()
