"""Hierarchical region selection: weighting networks at pixel, region and image level.

Re-implemented from the published summary of Sun et al., "Not All Areas Are Equal: Transfer
Learning for Semantic Segmentation via Hierarchical Region Selection", CVPR 2019,
doi 10.1109/CVPR.2019.00449. Layer tables and losses of the paper are not public; those here are
this project's.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from torch import Tensor, nn

from curate import distributed, models, records
from curate.methods.hierarchical import early_stopping, networks
from curate.methods.hierarchical.inputs import InputStack, stage_names
from curate.methods.hierarchical.settings import COMBINATIONS, HierarchicalSettings
from curate.methods.protocol import Method, MethodContext, unit_weights
from curate.methods.running_weights import RunningWeights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curate.weighting import WeightRule

NEAR_CHANCE_AUROC: Final = 0.55
"""A level whose AUROC on held-out images is below it is near chance."""


class Hierarchical(Method):
    """The three weighting networks, their training beside the segmenter, and their scores."""

    Settings = HierarchicalSettings

    def __init__(self, settings: HierarchicalSettings, context: MethodContext) -> None:
        super().__init__()
        self.settings = settings
        is_per_class = settings.channels == "per_class"
        num_channels = 1 + context.num_classes * is_per_class
        self.stack = InputStack(
            settings.inputs,
            num_classes=context.num_classes,
            feature_channels=context.feature_channels,
        )
        self.lookup: Tensor
        self.register_buffer(
            "lookup",
            networks.channel_lookup(
                torch.tensor(context.real_class_px),
                min_px=settings.min_class_px,
                per_class=is_per_class,
            ),
        )
        self.networks = nn.ModuleDict()
        for level in settings.levels:
            build = partial(models.build_weighter, level, self.stack.num_channels, num_channels)
            self.networks[level] = networks.FoldedNetworks(
                [
                    build(width=settings.width, depth=settings.region_depth)
                    for _ in range(settings.folds)
                ],
                splits=context.splits,
                num_channels=num_channels,
                smoothing=settings.smoothing,
            )
        self.running = RunningWeights(
            min_ess=settings.min_ess,
            max_power=settings.max_power,
            clip=settings.clip,
            uniform=settings.uniform,
        )
        self.is_inactive: Tensor
        self.register_buffer("is_inactive", torch.zeros(len(settings.levels), dtype=torch.bool))
        self.stopping: dict[str, early_stopping.EarlyStopping] = {
            level: early_stopping.EarlyStopping(settings.patience) for level in settings.levels
        }
        self._optimizer: torch.optim.Optimizer | None = None

    @classmethod
    def stages(cls, settings: HierarchicalSettings) -> tuple[str, ...]:
        """Name the inputs that are backbone stages."""
        return stage_names(settings.inputs)

    @classmethod
    def num_folds(cls, settings: HierarchicalSettings) -> int:
        """Cross-fitting folds."""
        return settings.folds

    def step(
        self, evidence: records.Evidence, *, is_warmup: bool
    ) -> tuple[Tensor, dict[str, float]]:
        """Train every level on the batch's training images, then weigh its cells."""
        # a GPU is asked only where there are features
        if is_warmup or (self.stack.mean.numel() and self.stack.count == 0):
            self.stack.gather(evidence)
        if is_warmup:
            return unit_weights(evidence), {}
        inputs = self._inputs(evidence)
        scores, losses, measured = [], [], {}
        for index, level in enumerate(self.settings.levels):
            picked, loss = self._networks_of(level).logits_and_loss(inputs)
            if self.stopping[level].is_training:
                losses.append(loss)
            score = torch.where(self.is_inactive[index], 0.5, picked.detach().sigmoid())
            scores.append(score)
            measured[f"loss_{level}"] = distributed.sum_over_ranks(loss.detach())
            measured[f"weight_{level}"] = distributed.mean_over_ranks(score, inputs.synthetic)
        if losses:
            self._update_networks(torch.stack(losses).sum())
        combined = COMBINATIONS[self.settings.combine](torch.stack(scores))
        weights, measured["ess"] = self.running.weigh(combined, inputs.synthetic)
        # read together: each read of its own would make a GPU wait for the host
        values = torch.stack(list(measured.values())).tolist()
        return weights, dict(zip(measured, values, strict=True))

    @property
    def has_penalty(self) -> bool:
        """Whether the adversarial term is on."""
        return self.settings.adversarial > 0

    def penalty(self, predictions: Tensor, evidence: records.Evidence) -> Tensor:
        """Push the segmenter towards synthetic predictions that pass for real."""
        inputs = self._inputs(replace(evidence, predictions=predictions))
        share = inputs.synthetic.float() / distributed.sum_over_ranks(inputs.synthetic.sum()).clamp(
            min=1
        )
        everything_real = torch.ones_like(evidence.is_real)
        losses = [
            networks.realism_loss(
                self._networks_of(level)(inputs),
                everything_real,
                2 * share,
                smoothing=self.settings.smoothing,
            )
            for level in self.settings.levels
        ]
        return self.settings.adversarial * torch.stack(losses).mean()

    @torch.no_grad()
    def evaluate(self, held_out: Sequence[records.Evidence], *, is_last: bool) -> dict[str, float]:
        """Measure each level on held-out images, and keep its best networks.

        A level is inactive while its held-out loss is no better than chance.
        """
        batches = [self._inputs(evidence) for evidence in held_out]
        values = {}
        for index, level in enumerate(self.settings.levels):
            measured = self._measure(level, batches)
            if is_last:
                measured = self._return_to_best(level, batches, measured)
            else:
                self.stopping[level].update(measured["loss"], self._networks_of(level))
            has_signal = measured["loss"] < early_stopping.CHANCE_LOSS
            self.is_inactive[index] = not has_signal
            values[f"held_out_loss_{level}"] = measured["loss"]
            values[f"auroc_{level}"] = measured["auroc"]
        return values

    def warning(self, measured: Mapping[str, float]) -> str | None:
        """Warn if every level is near chance."""
        named = (measured.get(f"auroc_{level}", math.nan) for level in self.settings.levels)
        areas = [area for area in named if not math.isnan(area)]
        if not areas or max(areas) >= NEAR_CHANCE_AUROC:
            return None
        return (
            f"The weights carry no signal: no level tells held-out real from synthetic images "
            f"(best AUROC {max(areas):.2f}, chance is .50). Weights are near uniform. If the sets "
            "do differ, try more inputs ([method] inputs), more steps, or more real images."
        )

    @torch.no_grad()
    def scores(self, evidence: records.Evidence) -> records.LevelScores:
        """Score by the networks of the fold that did not see the image; 0.5 at inactive levels."""
        inputs = self._inputs(evidence)
        half = torch.full(evidence.label_map.shape, 0.5, device=inputs.maps.device)
        maps = dict.fromkeys(records.LEVELS, half)
        for index, level in enumerate(self.settings.levels):
            if not self.is_inactive[index]:
                maps[level] = self._networks_of(level)(inputs).float().sigmoid()
        used = torch.stack([maps[level] for level in self.settings.levels])
        return records.LevelScores(
            image=maps["image"],
            region=maps["region"],
            pixel=maps["pixel"],
            combined=COMBINATIONS[self.settings.combine](used),
        )

    def weight_rule(self) -> WeightRule:
        """Return the rule of the last step."""
        return self.running.rule().rounded()

    def training_state(self) -> dict[str, Any]:
        """Optimiser and early stopping."""
        return {
            "optimizer": self._optimizer.state_dict() if self._optimizer else {},
            "stopping": {level: stopping.state() for level, stopping in self.stopping.items()},
        }

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take over what `training_state` returned."""
        if state["optimizer"]:
            self._make_optimizer().load_state_dict(state["optimizer"])
        for level, stopping in self.stopping.items():
            stopping.load(state["stopping"][level])

    def _inputs(self, evidence: records.Evidence) -> networks.Inputs:
        """Put together what the networks get."""
        return networks.Inputs(
            maps=self.stack(evidence),
            valid=evidence.label_map != records.IGNORE_INDEX,
            channel=self.lookup[evidence.label_map],
            is_real=evidence.is_real,
            keys=evidence.keys,
        )

    def _networks_of(self, level: str) -> networks.FoldedNetworks:
        """Networks of one level."""
        return cast("networks.FoldedNetworks", self.networks[level])

    def _measure(self, level: str, batches: Sequence[networks.Inputs]) -> dict[str, float]:
        """Log-loss and AUROC of a level over all held-out images."""
        logits = [self._networks_of(level)(batch) for batch in batches]
        smoothing = self.settings.smoothing
        return early_stopping.measure_logits(logits, batches, smoothing=smoothing, level=level)

    def _return_to_best(
        self, level: str, batches: Sequence[networks.Inputs], measured: dict[str, float]
    ) -> dict[str, float]:
        """Choose between the present and the best networks, by the segmenter as it is now."""
        present_networks, best = self._networks_of(level), self.stopping[level].best
        if best is None:
            return measured
        present = {name: value.clone() for name, value in present_networks.state_dict().items()}
        present_networks.load_state_dict(best)
        measured_best = self._measure(level, batches)
        if measured_best["loss"] <= measured["loss"]:
            return measured_best
        present_networks.load_state_dict(present)
        return measured

    def _update_networks(self, loss: Tensor) -> None:
        """One step of the weighting networks' optimiser; levels that stopped stay as they are."""
        optimizer = self._make_optimizer()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        distributed.sum_gradients(self.networks.parameters())
        optimizer.step()

    def _make_optimizer(self) -> torch.optim.Optimizer:
        """Return the optimiser, made on first use, when the networks are on their device."""
        if self._optimizer is None:
            self._optimizer = torch.optim.AdamW(
                self.networks.parameters(),
                lr=self.settings.learning_rate,
                betas=(0.9, 0.99),
                eps=1e-6,  # below it are rounding errors, as where both domains cancel at the start
                weight_decay=self.settings.weight_decay,
            )
        return self._optimizer
