"""Batch normalisation over the images of all processes, whose statistics hang on no order.

Rounding errors in the statistics of a batch reach every value of every image, and grow from layer
to layer; those in anything else that images are added up to stay where they are. So each image is
added up by itself, and images by float64: the result does not tell how many threads or processes
there were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from curate.distributed import sum_over_ranks
from curate.models.idle_biases import rest_idle_bias

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
        rest_idle_bias(inputs)
        values = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
        normal, mean, variance, count = _Normalise.apply(values, self.weight, self.bias, self.eps)
        if self.training and self.running_mean is not None:
            self._remember(mean, variance * count / (count - 1))
        shaped: Tensor = normal.to(inputs.dtype)
        return shaped

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics; the variance is the unbiased one."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(variance.to(self.running_var), share)

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any number of axes."""


class _Normalise(torch.autograd.Function):
    """``(x - mean) / sqrt(variance + eps) * weight + bias``, for a loss summed over processes."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, values: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        num_local = values.new_tensor([values.numel() / values.shape[1]], dtype=torch.float64)
        total = sum_over_ranks(torch.cat([_sum_images(values), num_local]))
        mean, count = total[:-1] / total[-1], total[-1]
        centred = values - _spread(mean, values)
        variance = sum_over_ranks(_sum_images(centred.square_())) / count
        scaled = [None if each is None else each.to(values) for each in (weight, bias)]
        normal = F.batch_norm(
            values, mean.to(values), variance.to(values), scaled[0], scaled[1], eps=eps
        )
        ctx.save_for_backward(values, weight, mean, (variance + eps).rsqrt(), count)  # type: ignore[arg-type]
        ctx.mark_non_differentiable(mean, variance, count)
        return normal, mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        values, weight, mean, scale, count = ctx.saved_tensors
        gradient = gradients[0]
        centred = values - _spread(mean, values)
        local = torch.stack([_sum_images(gradient), _sum_images(centred * gradient) * scale])
        mean_gradient, slope = sum_over_ranks(local) / count
        factor = scale if weight is None else scale * weight
        # factor * (gradient - mean_gradient - slope * scale * centred), in two passes
        lowered = torch.addcmul(
            _spread(-factor * mean_gradient, values),
            centred,
            _spread(-factor * slope * scale, values),
        )
        inner = lowered.addcmul_(gradient, _spread(factor, values))
        if weight is None:
            return inner, None, None, None
        return inner, local[1].to(weight), local[0].to(weight), None


def _sum_images(values: Tensor) -> Tensor:
    """Add up (N, C, ...) to (C,) float64: cells of an image as they are, then images."""
    each = values.flatten(2).sum(2) if values.ndim > 2 else values
    return each.double().sum(0)


def _spread(channels: Tensor, like: Tensor) -> Tensor:
    """Make one value a channel ready to be combined with (N, C, ...), in its precision."""
    return channels.to(like).view(1, -1, *[1] * (like.ndim - 2))
