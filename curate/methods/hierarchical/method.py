"""Hierarchical region selection: weighting networks at pixel, region and image level.

Re-implemented from the published summary of Sun et al., "Not All Areas Are Equal: Transfer
Learning for Semantic Segmentation via Hierarchical Region Selection", CVPR 2019,
doi 10.1109/CVPR.2019.00449. Layer tables and losses of the paper are not public; those here are
this project's.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from torch import Tensor, nn

from curate.distributed import mean_over_ranks, sum_gradients, sum_over_ranks
from curate.methods.base import Method, MethodContext, unit_weights
from curate.methods.combine import COMBINATIONS
from curate.methods.hierarchical.channels import channel_lookup, realism_loss
from curate.methods.hierarchical.early_stopping import LevelEvaluation, pool_measurements
from curate.methods.hierarchical.inputs import InputStack, stage_names
from curate.methods.hierarchical.networks import FoldedNetworks, View
from curate.methods.hierarchical.settings import HierarchicalSettings
from curate.methods.running_weights import RunningWeights
from curate.records import IGNORE_INDEX, LEVELS, Evidence, LevelScores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_SIGNAL_AUROC: Final = 0.55
"""Below it on held-out images, a level is near chance."""


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
            channel_lookup(
                torch.tensor(context.real_class_px),
                min_px=settings.min_class_px,
                per_class=is_per_class,
            ),
        )
        self.networks = nn.ModuleDict(
            {
                level: FoldedNetworks(
                    [
                        context.build_weighter(
                            level,
                            self.stack.num_channels,
                            num_channels,
                            width=settings.width,
                            depth=settings.region_depth,
                        )
                        for _ in range(settings.folds)
                    ],
                    splits=context.splits,
                    num_channels=num_channels,
                    smoothing=settings.smoothing,
                )
                for level in settings.levels
            }
        )
        self.running = RunningWeights(
            min_ess=settings.min_ess,
            max_power=settings.max_power,
            clip=settings.clip,
            uniform=settings.uniform,
        )
        self.is_inactive: Tensor
        self.register_buffer("is_inactive", torch.zeros(len(settings.levels), dtype=torch.bool))
        self.judges: dict[str, LevelEvaluation] = {
            level: LevelEvaluation(settings.patience) for level in settings.levels
        }
        self._optimizer: torch.optim.Optimizer | None = None

    @classmethod
    def build(cls, settings: HierarchicalSettings, context: MethodContext) -> Hierarchical:
        """Make the untrained networks."""
        return cls(settings, context)

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
        view = self._view(evidence)
        scores, losses, measured = [], [], {}
        for index, level in enumerate(self.settings.levels):
            picked, loss = self._networks_of(level).learn(view)
            if self.judges[level].is_learning:
                losses.append(loss)
            score = torch.where(self.is_inactive[index], 0.5, picked.detach().sigmoid())
            scores.append(score)
            measured[f"loss_{level}"] = sum_over_ranks(loss.detach())
            measured[f"weight_{level}"] = mean_over_ranks(score[view.synthetic])
        if losses:
            self._descend(torch.stack(losses).sum())
        combined = COMBINATIONS[self.settings.combine](torch.stack(scores))
        weights, measured["ess"] = self.running.weigh(combined, view.synthetic)
        # read together: each read of its own would make a GPU wait for the host
        values = torch.stack(list(measured.values())).tolist()
        return weights, dict(zip(measured, values, strict=True))

    @property
    def has_penalty(self) -> bool:
        """Whether the adversarial term is on."""
        return self.settings.adversarial > 0

    def penalty(self, predictions: Tensor, evidence: Evidence) -> Tensor:
        """Ask the segmenter for synthetic predictions that pass for real."""
        view = self._view(replace(evidence, predictions=predictions))
        share = view.synthetic.float() / sum_over_ranks(view.synthetic.sum()).clamp(min=1)
        everything_real = torch.ones_like(evidence.is_real)
        losses = [
            realism_loss(
                self._networks_of(level)(view),
                everything_real,
                2 * share,
                smoothing=self.settings.smoothing,
            )
            for level in self.settings.levels
        ]
        return self.settings.adversarial * torch.stack(losses).mean()

    @torch.no_grad()
    def evaluate(self, held_out: Sequence[Evidence], *, is_last: bool) -> dict[str, float]:
        """Measure each level on held-out images; keep its best networks, silence useless ones."""
        views = [self._view(evidence) for evidence in held_out]
        values = {}
        for index, level in enumerate(self.settings.levels):
            networks, evaluate = self._networks_of(level), self.judges[level]
            measured = self._measure(level, views)
            if is_last:
                measured = self._return_to_best(level, views, measured)
            else:
                evaluate.update(measured["loss"], networks)
            self.is_inactive[index] = not evaluate.has_signal(measured["loss"])
            values[f"held_out_loss_{level}"] = measured["loss"]
            values[f"auroc_{level}"] = measured["auroc"]
        return values

    def warning(self, measured: Mapping[str, float]) -> str | None:
        """Doubt the weights if every level is near chance."""
        named = (measured.get(f"auroc_{level}", math.nan) for level in self.settings.levels)
        areas = [area for area in named if not math.isnan(area)]
        if not areas or max(areas) >= NO_SIGNAL_AUROC:
            return None
        return (
            f"The weights carry no signal: no level tells held-out real from synthetic images "
            f"(best AUROC {max(areas):.2f}, chance is .50). Weights are near uniform. If the sets "
            "do differ, try more inputs ([method] inputs), more steps, or more real images."
        )

    @torch.no_grad()
    def scores(self, evidence: Evidence) -> LevelScores:
        """Score by the networks of the fold that did not see the image; silent levels say 0.5."""
        view = self._view(evidence)
        half = torch.full(evidence.label_map.shape, 0.5, device=view.inputs.device)
        maps = dict.fromkeys(LEVELS, half)
        for index, level in enumerate(self.settings.levels):
            if not self.is_inactive[index]:
                maps[level] = self._networks_of(level)(view).float().sigmoid()
        used = torch.stack([maps[level] for level in self.settings.levels])
        return LevelScores(
            image=maps["image"],
            region=maps["region"],
            pixel=maps["pixel"],
            combined=COMBINATIONS[self.settings.combine](used),
        )

    def training_state(self) -> dict[str, Any]:
        """Optimiser and judges."""
        return {
            "optimizer": self._optimizer.state_dict() if self._optimizer else {},
            "judges": {level: evaluate.state() for level, evaluate in self.judges.items()},
        }

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take over what `training_state` returned."""
        if state["optimizer"]:
            self._make_optimizer().load_state_dict(state["optimizer"])
        for level, evaluate in self.judges.items():
            evaluate.load(state["judges"][level])

    def _view(self, evidence: Evidence) -> View:
        """Put together what the networks see."""
        return View(
            inputs=self.stack(evidence),
            valid=evidence.label_map != IGNORE_INDEX,
            channel=self.lookup[evidence.label_map],
            is_real=evidence.is_real,
            keys=evidence.keys,
        )

    def _networks_of(self, level: str) -> FoldedNetworks:
        """Networks of one level."""
        return cast("FoldedNetworks", self.networks[level])

    def _measure(self, level: str, views: Sequence[View]) -> dict[str, float]:
        """Log-loss and AUROC of a level over all held-out images."""
        logits = [self._networks_of(level)(view) for view in views]
        return pool_measurements(logits, views, smoothing=self.settings.smoothing, level=level)

    def _return_to_best(
        self, level: str, views: Sequence[View], measured: dict[str, float]
    ) -> dict[str, float]:
        """Choose between the present and the best networks, by the segmenter as it is now."""
        networks, best = self._networks_of(level), self.judges[level].best
        if best is None:
            return measured
        present = {name: value.clone() for name, value in networks.state_dict().items()}
        networks.load_state_dict(best)
        measured_best = self._measure(level, views)
        if measured_best["loss"] <= measured["loss"]:
            return measured_best
        networks.load_state_dict(present)
        return measured

    def _descend(self, loss: Tensor) -> None:
        """One step of the weighting networks' optimiser; levels that stopped stay as they are."""
        optimizer = self._make_optimizer()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        sum_gradients(self.networks.parameters())
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
