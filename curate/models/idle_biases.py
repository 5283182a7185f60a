"""Biases whose gradient is zero but for rounding errors, and that should rest.

Such are those that the batch normalisation after them takes away again, and, at the start, those
of the weighting networks' last layers, where both domains cancel. Adam, to which the size of a
gradient means nothing, would make steps of full length of the errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from curate.distributed import sum_over_ranks

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING: Final = 1e-5
"""A sum that is smaller, relative to the sum of its terms' absolute values, is a rounding error;
float32 gives some 1e-7, and what is lost otherwise is as little."""


def rest_idle_bias(output: Tensor) -> None:
    """See to it that the gradient of a convolution's bias is zero where it is a rounding error.

    Parameters
    ----------
    output : (N, C, ...) float
        Of no effect unless it comes from a convolution with a bias. If it is normalised, but
        used elsewhere, too, the bias learns from there.
    """
    node = output.grad_fn
    if node is None or node.name() != "ConvolutionBackward0":
        return
    _, _, bias = node.next_functions
    if bias[0] is not None:
        node.register_hook(_drop_rounding_errors)


def _drop_rounding_errors(
    inner: tuple[Tensor | None, ...], outer: tuple[Tensor | None, ...]
) -> tuple[Tensor | None, ...]:
    """Clean the gradient of the bias: the sum of that of the output, over all processes."""
    inputs, weight, bias = inner
    (output,) = outer
    if bias is None or output is None:
        return inner
    terms = output.abs().sum([0, *range(2, output.ndim)])
    total, size = sum_over_ranks(torch.stack([bias, terms.to(bias)]))
    return inputs, weight, torch.where(total.abs() > ROUNDING * size, bias, 0)
