"""The joint training: one step on one screen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from curate.errors import ConfigError
from curate.records import IGNORE_INDEX, Batch, Evidence
from curate.seeding import stable_seed
from curate.workflows.evidence import (
    gather_evidence,
    grid_predictions,
    move,
    spread_to_pixels,
    to_unit_range,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.config import FitConfig
    from curate.methods import Method
    from curate.models import Segmenter


@dataclass(frozen=True, slots=True)
class Device:
    """Where and how precisely to compute."""

    device: torch.device
    use_bfloat16: bool

    def autocast(self) -> torch.autocast:
        """Context in which the segmenter runs."""
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.use_bfloat16, cache_enabled=True
        )


def segmentation_loss(
    logits: Tensor, label_map: Tensor, weights: Tensor, is_real: Tensor, *, synthetic_weight: float
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of both domains, synthetic pixels weighted.

    Parameters
    ----------
    logits : (N, C, h, w) float
        Upsampled to the labels' size here.
    label_map : (N, H, W) int64
        255 = ignore, in neither sum.
    weights : (N, H, W) float32
        Of real pixels unused.
    is_real : (N,) bool
    synthetic_weight : float
        lambda of ``mean_v CE(T) + lambda * sum(v w CE(S)) / sum(v)``.

    Returns
    -------
    loss : scalar
    parts : (2,) float32
        Detached loss of real and of synthetic pixels; 0 where a domain has no valid pixel.
    """
    size = list(label_map.shape[1:])
    pixels = F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
    losses = F.cross_entropy(pixels, label_map, ignore_index=IGNORE_INDEX, reduction="none")
    domain = is_real[:, None, None]
    valid = label_map != IGNORE_INDEX
    real_loss = losses[is_real].sum() / (valid & domain).sum().clamp(min=1)
    synthetic = (losses * weights)[~is_real].sum() / (valid & ~domain).sum().clamp(min=1)
    loss = real_loss + synthetic_weight * synthetic
    return loss, torch.stack([real_loss, synthetic]).detach()


def one_cycle(step: int, steps: int) -> float:
    """Share of the peak learning rate: a linear rise over 5 % of the steps, then a half cosine."""
    rise = max(1, steps // 20)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


class Trainer:
    """Segmenter, method and optimiser, and the step that trains them together.

    Everything random in a step is keyed by its number, so that a trainer restored from `state`
    continues exactly as it would have.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        method: Method,
        *,
        stages: tuple[str, ...],
        settings: FitConfig,
        device: Device,
    ) -> None:
        self.segmenter = segmenter.to(device.device)
        self.method = method.to(device.device)
        self.settings = settings
        self.device = device
        self.stages = stages
        groups = segmenter.parameter_groups(settings.learning_rate, settings.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
        self.peak_rates = [group["lr"] for group in self.optimizer.param_groups]

    def step(self, number: int, batch: Batch) -> dict[str, float]:
        """Train on one batch; return its measurements."""
        torch.manual_seed(stable_seed(self.settings.seed, "step", number))
        self.segmenter.train()
        self.method.train()
        batch = move(batch, self.device.device)
        images = to_unit_range(batch.images)  # (N, 3, H, W)
        label_map = batch.label_map.long()  # (N, H, W)

        with self.device.autocast():
            prediction = self.segmenter(images, self.stages)  # logits (N, C, H/4, W/4)
        evidence = gather_evidence(batch, images, prediction)
        is_warmup = number < self.settings.warmup * self.settings.steps
        cell_weights, metrics = self.method.step(evidence, is_warmup=is_warmup)  # (N, h, w)
        weights = spread_to_pixels(cell_weights, *label_map.shape[1:])  # (N, H, W)
        loss, parts = segmentation_loss(
            prediction.logits,
            label_map,
            weights,
            batch.is_real,
            synthetic_weight=self.settings.synthetic_weight,
        )
        if self.method.has_penalty and not is_warmup:
            grid = (evidence.label_map.shape[1], evidence.label_map.shape[2])
            loss = loss + self.method.penalty(grid_predictions(prediction.logits, grid), evidence)

        factor = one_cycle(number, self.settings.steps)
        for group, peak in zip(self.optimizer.param_groups, self.peak_rates, strict=True):
            group["lr"] = peak * factor
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        real, synthetic = parts.tolist()
        return {"loss_real": real, "loss_synthetic": synthetic} | metrics

    @torch.no_grad()
    def gather_held_out(self, batches: Sequence[Batch]) -> list[Evidence]:
        """Run the segmenter over held-out batches as scoring would."""
        self.segmenter.eval()
        self.method.eval()
        gathered = []
        for batch in batches:
            moved = move(batch, self.device.device)
            images = to_unit_range(moved.images)
            with self.device.autocast():
                prediction = self.segmenter(images, self.stages)
            gathered.append(gather_evidence(moved, images, prediction))
        return gathered

    def state(self) -> dict[str, Any]:
        """Everything that training needs to go on, as nested dicts of tensors and plain values."""
        return {
            "segmenter": self.segmenter.state_dict(),
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "method_training": self.method.training_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.segmenter.load_state_dict(state["segmenter"])
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.method.load_training_state(state["method_training"])


def choose_device(name: str, precision: str) -> Device:
    """Resolve ``auto``: CUDA where there is one, with bfloat16; else the CPU with float32."""
    if name == "cuda" and not torch.cuda.is_available():
        msg = "device = 'cuda' was asked for, but torch sees no CUDA device. Use 'auto' or 'cpu'."
        raise ConfigError(msg)
    use_cuda = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    use_bfloat16 = precision == "bfloat16" or (precision == "auto" and use_cuda)
    return Device(torch.device("cuda" if use_cuda else "cpu"), use_bfloat16)
