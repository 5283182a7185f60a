"""Segmenters that only predict: batch normalisation folded into the convolutions before it.

In evaluation mode a batch normalisation multiplies each channel by a number and adds another. Both
can be part of the convolution whose output it gets, and then it costs nothing. What comes out
differs by rounding errors alone.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import torch
import torch.nn.functional as F
from timm.layers import Conv2dSame, pad_same
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.models.segmenter import Segmenter

MAX_CHANGE: Final = {"cpu": 1e-4, "cuda": 2e-2}
"""Largest change of an output, relative to the largest output, for which a folded network is used;
GPUs round to fewer digits (TF32). A wrong fold changes outputs by about as much as they are."""

_ONEDNN: Final = (
    getattr(torch.ops.mkldnn, "_convolution_pointwise", None)
    if torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    else None
)
_ACTIVATIONS: Final[dict[type[nn.Module], tuple[str, list[float]]]] = {
    nn.Identity: ("none", []),
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
}
"""What oneDNN calls the activations that it computes along."""
_BATCHNORM: Final = (nn.BatchNorm2d, nn.SyncBatchNorm)


class FoldedCopy:
    """A folded copy of a segmenter, made anew where its weights have changed since.

    Parameters
    ----------
    segmenter : Segmenter
        In evaluation mode when the copy is asked for.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._version: tuple[object, ...] = ()
        self._copy = segmenter

    def get(self, size: Sequence[int], stages: Sequence[str] = ()) -> Segmenter:
        """Return the copy; `size` and `stages` as in `fold`."""
        tensors = (*self._segmenter.parameters(), *self._segmenter.buffers())
        version = tuple((id(tensor), tensor.device, tensor._version) for tensor in tensors)
        if version != self._version:
            self._copy, self._version = fold(self._segmenter, size, stages), version
        return self._copy


def fold_in_place(segmenter: Segmenter, size: Sequence[int], stages: Sequence[str] = ()) -> None:
    """Replace the network of a segmenter, which is to predict alone from now on; see `fold`."""
    segmenter.network = fold(segmenter, size, stages).network


@torch.no_grad()
def fold(segmenter: Segmenter, size: Sequence[int], stages: Sequence[str] = ()) -> Segmenter:
    """Return a copy for predicting alone, or the segmenter itself where nothing can be folded.

    Which layers follow each other is seen in a prediction of a random image; the copy is used only
    if it predicts the same.

    Parameters
    ----------
    segmenter : Segmenter
        In evaluation mode.
    size : (int, int)
        Height and width of images that it can predict.
    stages : sequence of str
        Those whose outputs must stay as they are.
    """
    if not any(isinstance(module, _BATCHNORM) for module in segmenter.modules()):
        return segmenter
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, *size, generator=generator).to(segmenter.mean)
    pairs, before = _watch(segmenter, image, stages)
    if not pairs:
        return segmenter
    folded = copy.deepcopy(segmenter).requires_grad_(False)
    for pair in pairs:
        _fold_pair(folded, pair)
    _, after = _watch(folded, image, stages)
    largest = MAX_CHANGE.get(image.device.type, MAX_CHANGE["cuda"])
    is_same = all(
        bool((old - new).abs().max() <= largest * old.abs().max())
        for old, new in zip(before, after, strict=True)
    )
    return folded if is_same else segmenter


class _Pair(NamedTuple):
    """Names of a convolution and of the batch normalisation that alone gets its output."""

    convolution: str
    norm: str


def _watch(
    segmenter: Segmenter, image: Tensor, stages: Sequence[str]
) -> tuple[list[_Pair], list[Tensor]]:
    """Predict an image: return the pairs of layers that can be folded, and what came out."""
    made_by: dict[int, str] = {}
    calls: list[tuple[str, Tensor, Tensor]] = []  # which keeps the tensors, and so their ids, alive
    layers = {
        name: module
        for name, module in segmenter.named_modules()
        if isinstance(module, (nn.Conv2d, *_BATCHNORM))
    }
    handles = [
        module.register_forward_hook(
            lambda _module, inputs, output, name=name: calls.append((name, inputs[0], output))
        )
        for name, module in layers.items()
    ]
    try:
        prediction = segmenter(image, stages)
    finally:
        for handle in handles:
            handle.remove()
    names = [name for name, _, _ in calls]
    pairs = []
    for name, given, output in calls:
        if isinstance(layers[name], nn.Conv2d):
            made_by[id(output)] = name
        elif (maker := made_by.pop(id(given), "")) and _can_fold(layers[maker], layers[name]):
            pairs += [_Pair(maker, name)] if names.count(maker) == names.count(name) == 1 else []
    return pairs, [prediction.logits, *prediction.features.values()]


def _can_fold(convolution: nn.Module, norm: nn.Module) -> bool:
    """Whether the classes of both are known, and the norm has running statistics."""
    is_plain = type(convolution) in (nn.Conv2d, Conv2dSame)
    is_known = type(norm) in _BATCHNORM or isinstance(getattr(norm, "act", None), nn.Module)
    return is_plain and is_known and norm.running_var is not None


def _fold_pair(network: nn.Module, pair: _Pair) -> None:
    """Put both into one layer; what else the norm does, an activation, comes after it."""
    convolution = cast("nn.Conv2d", network.get_submodule(pair.convolution))
    fused = FoldedConvolution(convolution, network.get_submodule(pair.norm))
    for name, layer in ((pair.convolution, fused), (pair.norm, nn.Identity())):
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, layer)


class FoldedConvolution(nn.Module):
    """A convolution, a batch normalisation and an activation in one.

    On a CPU, oneDNN computes all three at a time, where torch offers that: each map goes through
    the memory once.
    """

    def __init__(self, convolution: nn.Conv2d, norm: Any) -> None:  # noqa: ANN401
        super().__init__()
        scale = (norm.running_var + norm.eps).rsqrt()
        scale = scale * norm.weight if norm.affine else scale
        shift = -norm.running_mean
        shift = shift if convolution.bias is None else shift + convolution.bias
        shift = shift * scale + norm.bias if norm.affine else shift * scale
        self.weight = nn.Parameter(convolution.weight * scale[:, None, None, None])
        self.bias = nn.Parameter(shift)
        self.requires_grad_(False)
        self.activation = getattr(norm, "act", nn.Identity())
        self.pads_same = isinstance(convolution, Conv2dSame)
        self.kernel_size, self.stride = convolution.kernel_size, convolution.stride
        self.dilation, self.groups = convolution.dilation, convolution.groups
        self.padding = (0, 0) if self.pads_same else convolution.padding

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, F, H, W) to (N, F', H', W')."""
        is_plain = inputs.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        weight: Tensor = self.weight
        padding = self.padding
        if self.pads_same and is_plain and max(self.dilation) == 1:
            weight, padding = self._pad_kernel(inputs.shape[2:])
        elif self.pads_same:
            inputs = pad_same(inputs, self.kernel_size, self.stride, self.dilation)
        layout = padding, self.stride, self.dilation, self.groups
        known = _ACTIVATIONS.get(type(self.activation))
        if _ONEDNN and known and is_plain:
            found: Tensor = _ONEDNN(inputs, weight, self.bias, *layout, *known, "")
            return found
        padding, stride, dilation, groups = layout
        plain = F.conv2d(inputs, weight, self.bias, stride, padding, dilation, groups)
        activated: Tensor = self.activation(plain)
        return activated

    def _pad_kernel(self, size: Sequence[int]) -> tuple[Tensor, tuple[int, int]]:
        """Return kernel and padding of both sides of an image of a size, as TensorFlow pads.

        Where it pads one pixel more behind than before, both sides get that one, and the kernel
        begins with zeros: to pad the image by itself would copy all of it.
        """
        down, across = (
            max((-(-side // stride) - 1) * stride + kernel - side, 0)
            for side, kernel, stride in zip(size, self.kernel_size, self.stride, strict=True)
        )
        return F.pad(self.weight, (across % 2, 0, down % 2, 0)), (-(-down // 2), -(-across // 2))
