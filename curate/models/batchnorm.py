"""Batch normalisation over the images of all processes instead of those of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from curate.distributed import sum_over_ranks

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx


def synchronise_batchnorm(network: nn.Module, device: torch.device) -> None:
    """Exchange the batch normalisation layers inside a network for synchronised ones.

    Parameters, buffers and the keys of the state dict stay what they are. On CUDA the layers are
    torch's own, which do not work on a CPU; there they are `GlobalBatchNorm`.
    """
    if device.type == "cuda":
        from timm.layers import convert_sync_batchnorm  # knows its own layers beside torch's

        convert_sync_batchnorm(network)
        return
    for name, child in network.named_children():
        if isinstance(child, _BatchNorm):
            setattr(network, name, GlobalBatchNorm(child))
        else:
            synchronise_batchnorm(child, device)


class GlobalBatchNorm(_BatchNorm):
    """Batch normalisation whose mean and variance are those of the batches of all processes.

    Parameters
    ----------
    local : _BatchNorm
        Layer to take everything from: torch's, or timm's with dropout and activation in it.
    """

    def __init__(self, local: _BatchNorm) -> None:
        super().__init__(local.num_features, local.eps, local.momentum)
        self.affine, self.track_running_stats = local.affine, local.track_running_stats
        for name in (*self._parameters, *self._buffers):
            setattr(self, name, getattr(local, name))
        self.drop = getattr(local, "drop", nn.Identity())
        self.act = getattr(local, "act", nn.Identity())
        self.training = local.training

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise (N, C, ...), N being this process's share of the batch."""
        is_global = self.training or self.running_mean is None
        normal = self._normalise(inputs) if is_global else super().forward(inputs)
        activated: Tensor = self.act(self.drop(normal))
        return activated

    def _normalise(self, inputs: Tensor) -> Tensor:
        """Normalise by the statistics of all processes, and remember them."""
        axes = [0, *range(2, inputs.ndim)]
        shape = (1, -1, *[1] * (inputs.ndim - 2))
        values = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
        num_local = values.new_tensor([values.numel() / values.shape[1]])
        total = _SumOverRanks.apply(torch.cat([values.sum(axes), num_local]))
        mean, count = total[:-1] / total[-1], total[-1].detach()
        centred = values - mean.view(shape)
        variance = _SumOverRanks.apply((centred**2).sum(axes)) / count
        if self.training and self.running_mean is not None:
            self._remember(mean.detach(), variance.detach() * count / (count - 1))
        normal = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        shaped: Tensor = normal.to(inputs.dtype)
        return shaped

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics; the variance is the unbiased one."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any number of axes."""


class _SumOverRanks(torch.autograd.Function):
    """`sum_over_ranks` as part of the graph, for a loss that is itself a sum over processes."""

    @staticmethod
    def forward(_ctx: FunctionCtx, values: Tensor) -> Tensor:
        return sum_over_ranks(values)

    @staticmethod
    def backward(_ctx: FunctionCtx, *gradients: Any) -> Tensor:  # noqa: ANN401
        return sum_over_ranks(gradients[0])
