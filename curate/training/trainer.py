"""The joint training: one step on one screen."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from curate import distributed, grid, job, records, seeding
from curate.files.checkpoint import pack, unpack
from curate.models import Prediction, Segmenter, devices, schedule
from curate.training.networks import gather_evidence, to_unit_range, uncropped_evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from curate.config import FitConfig
    from curate.methods import Method

ADAM_EPS: Final = 1e-6
"""Gradients far below this are rounding errors, and must not become steps of full length."""


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
        Of several processes, this one's part of the sum.
    parts : (2,) float32
        Detached loss of real and of synthetic pixels of all processes; 0 where a domain has no
        valid pixel.
    """
    size = list(label_map.shape[1:])
    pixels = F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
    losses = F.cross_entropy(pixels, label_map, ignore_index=records.IGNORE_INDEX, reduction="none")
    domain = is_real[:, None, None]
    valid = label_map != records.IGNORE_INDEX
    counts = torch.stack([(valid & domain).sum(), (valid & ~domain).sum()])
    num_real, num_synthetic = distributed.sum_over_ranks(counts).clamp(min=1)
    real_loss = losses[is_real].sum() / num_real
    synthetic = (losses * weights)[~is_real].sum() / num_synthetic
    loss = real_loss + synthetic_weight * synthetic
    return loss, distributed.sum_over_ranks(torch.stack([real_loss, synthetic]).detach())


class Trainer:
    """Segmenter, method and optimiser, and the step that trains them together.

    Everything random in a step is keyed by its number, so that a trainer restored from `state`
    continues exactly as it would have. Processes that train together end every step with the
    same weights, those of one process with the whole batch, except for dropout, which draws
    other masks than one process would, and for batch normalisation on CPUs; see `replicate`.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        method: Method,
        *,
        stages: tuple[str, ...],
        settings: FitConfig,
        device: devices.Device,
        world: job.World = job.ALONE,
    ) -> None:
        self.segmenter = segmenter.to(device.device)
        self.predict = replicate(self.segmenter, device.device, world)
        self.method = method
        method.compute_on(device)
        self.settings = settings
        self.device = device
        self.world = world
        self.stages = stages
        groups = segmenter.parameter_groups(settings.learning_rate, settings.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, eps=ADAM_EPS)
        self.peak_rates = [group["lr"] for group in self.optimizer.param_groups]

    def step(self, number: int, batch: records.Batch) -> dict[str, float]:
        """Train on this process's share of a batch; return the measurements of all of it."""
        share = () if self.world.is_first else (self.world.rank,)
        torch.manual_seed(seeding.stable_seed(self.settings.seed, "step", number, *share))
        self.segmenter.train()
        self.method.train()
        batch = batch.to(self.device.device)
        images = to_unit_range(batch.images)  # (N, 3, H, W)
        label_map = batch.label_map.long()  # (N, H, W)

        with self.device.autocast():
            prediction = self.predict(images, self.stages)  # logits (N, C, H/4, W/4)
        evidence = gather_evidence(batch, images, prediction)
        is_warmup = number < self.settings.warmup * self.settings.steps
        cell_weights, metrics = self._weigh(batch, evidence, is_warmup=is_warmup)  # (N, h, w)
        weights = grid.spread_to_pixels(cell_weights, *label_map.shape[1:])  # (N, H, W)
        loss, parts = segmentation_loss(
            prediction.logits,
            label_map,
            weights,
            batch.is_real,
            synthetic_weight=self.settings.synthetic_weight,
        )
        if self.method.has_penalty and not is_warmup:
            predictions = grid.probabilities(prediction.logits, *evidence.label_map.shape[1:])
            loss = loss + self.method.penalty(predictions, evidence)

        loss = loss * self.world.size  # of which `predict` takes the mean over the processes

        factor = schedule.warmup_cosine(number, self.settings.steps)
        for group, peak in zip(self.optimizer.param_groups, self.peak_rates, strict=True):
            group["lr"] = peak * factor
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        real, synthetic = parts.tolist()
        return {"loss_real": real, "loss_synthetic": synthetic} | metrics

    def _weigh(
        self, batch: records.Batch, evidence: records.Evidence, *, is_warmup: bool
    ) -> tuple[Tensor, dict[str, float]]:
        """Let the method weigh the batch, or the uncropped images that it was made from."""
        uncropped = batch.uncropped
        if uncropped is None:
            return self.method.step(evidence, is_warmup=is_warmup)
        before = uncropped_evidence(batch, uncropped, evidence.predictions.shape[1])
        found, metrics = self.method.step(before, is_warmup=is_warmup)
        valid = before.label_map != records.IGNORE_INDEX
        height, width = uncropped.label_map.shape[1:]
        weights = torch.ones_like(evidence.label_map, dtype=torch.float32)
        weights[~batch.is_real] = grid.warp_to_views(found, valid, uncropped.views, (height, width))
        return weights, metrics

    def evaluate(self, held_out: Sequence[records.Batch], *, is_last: bool) -> dict[str, float]:
        """Measure the method on held-out images, if there are any, in the first process.

        `held_out` of the other processes is of no effect.
        """
        measured = self._evaluate(held_out, is_last=is_last)
        if measured:
            self.share_method()
        return measured

    @distributed.by_first_rank
    def _evaluate(self, held_out: Sequence[records.Batch], *, is_last: bool) -> dict[str, float]:
        if not held_out:
            return {}
        return self.method.evaluate(self.gather_held_out(held_out), is_last=is_last)

    def share_method(self) -> None:
        """Copy the first process's method, and what it needs to go on, to the others."""
        if self.world.is_alone:
            return
        tensors, structure = self._pack_method()
        if not self.world.is_first:
            self.load_method(unpack(tensors, structure))

    @torch.no_grad()
    def gather_held_out(self, batches: Sequence[records.Batch]) -> list[records.Evidence]:
        """Run the segmenter over held-out batches as scoring would."""
        self.segmenter.eval()
        self.method.eval()
        gathered = []
        for batch in batches:
            moved = batch.to(self.device.device)
            images = to_unit_range(moved.images)
            with self.device.autocast():
                prediction = self.segmenter(images, self.stages)
            gathered.append(gather_evidence(moved, images, prediction))
        return gathered

    def state(self) -> dict[str, Any]:
        """Everything that training needs to go on, as nested dicts of tensors and plain values."""
        return {
            "segmenter": self.segmenter.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            **self.method_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.segmenter.load_state_dict(state["segmenter"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.load_method(state)

    def method_state(self) -> dict[str, Any]:
        """Return the method's part of `state`."""
        return {
            "method": self.method.state_dict(),
            "method_training": self.method.training_state(),
        }

    @distributed.by_first_rank
    def _pack_method(self) -> tuple[dict[str, Tensor], Any]:
        """Make the method's part of `state` ready to be sent to other processes."""
        tensors, structure = pack(self.method_state())
        return {name: tensor.cpu() for name, tensor in tensors.items()}, structure

    def load_method(self, state: dict[str, Any]) -> None:
        """Take over the method's part of `state`."""
        self.method.load_state_dict(state["method"])
        self.method.load_training_state(state["method_training"])


def replicate(
    segmenter: Segmenter, device: torch.device, world: job.World
) -> Callable[[Tensor, Sequence[str]], Prediction]:
    """Return what to call instead of the segmenter in training.

    ``backward`` leaves in each process the mean over the processes of what their losses give.
    Batch normalisation is over the images of all processes on GPUs, and over those of each by
    itself on CPUs, where torch has no other. In a process that is alone it is the segmenter itself.

    Parameters
    ----------
    segmenter : Segmenter
        On its device; its copies in the other processes take over the first one's state.
    """
    if world.is_alone:
        return segmenter
    if device.type == "cuda":
        from timm.layers import convert_sync_batchnorm  # knows its own layers beside torch's

        convert_sync_batchnorm(segmenter)
    with warnings.catch_warnings():  # the new name of `broadcast_buffers` came after torch 2.11
        warnings.filterwarnings("ignore", ".*broadcast_buffers", FutureWarning)
        parallel = nn.parallel.DistributedDataParallel(
            _Outputs(segmenter),
            broadcast_buffers=False,
            # A network may have parameters that its loss does not reach. To look for them in
            # every step also keeps gradients from being added up in another order after the
            # first one, by which a resumed run would differ.
            find_unused_parameters=True,
        )

    def predict(images: Tensor, stages: Sequence[str]) -> Prediction:
        return Prediction(*parallel(images, stages))

    return predict


class _Outputs(nn.Module):
    """Segmenter with detached features, which have no gradients to be waited for."""

    def __init__(self, segmenter: Segmenter) -> None:
        super().__init__()
        self.segmenter = segmenter
        # torch warns where it looks for unused parameters and there are none
        self.unused = nn.Parameter(torch.empty(0, device=segmenter.mean.device))

    def forward(self, images: Tensor, stages: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
        prediction = self.segmenter(images, stages)
        return prediction.logits, {name: f.detach() for name, f in prediction.features.items()}
