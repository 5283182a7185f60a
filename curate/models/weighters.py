"""Weighting networks: small networks that tell real from synthetic at one level each.

All map ``(inputs, valid)`` to logits on the grid of their inputs, so that one can replace
another; the sigmoid of a logit is a score. There is no batch normalisation in them, because
its running statistics would tell the domains apart by themselves. Their last layer starts at
zero: before training, every logit is 0 and every score 1/2.

Inputs are not masked: cells without a label are part of the surroundings of others, and blanking
them would show the outline of unlabelled areas, by which domains can be told apart. They only
never count by themselves: not in the mean of the image level, nor in any loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import torch
from torch import Tensor, nn

from curate.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

NEGATIVE_SLOPE: Final = 0.2
MIN_CHANNELS: Final = 16
"""Fewest channels of a hidden layer of a trunk."""
DILATIONS_CELLS: Final = (1, 2, 4, 1, 2)
DROPOUT: Final = 0.1
"""Probability that a channel is dropped in a step."""


class CellConvolution(nn.Conv2d):
    """A 1x1 convolution as one product of matrices, which spares a CPU a copy of the inputs."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, F, h, w) to (N, F', h, w)."""
        cells = nn.functional.linear(inputs.movedim(1, -1), self.weight[:, :, 0, 0], self.bias)
        return cells.movedim(-1, 1)


class CellWeighter(nn.Module):
    """A network that keeps the grid of its inputs: a 1x1 convolution, and what follows it."""

    @property
    def first(self) -> nn.Conv2d:
        """The 1x1 convolution."""
        raise NotImplementedError

    def finish(self, hidden: Tensor) -> Tensor:
        """Map what `first` made, (N, width, h, w), to (N, K, h, w)."""
        raise NotImplementedError

    def forward(self, inputs: Tensor, valid: Tensor) -> Tensor:
        """Map (N, F, h, w), and the (N, h, w) bool mask of labelled cells, to (N, K, h, w)."""
        del valid  # every cell is scored, whether it has a label or not
        return self.finish(self.first(_lay_out(inputs)))


class PixelWeighter(CellWeighter):
    """Scores every cell by itself: 1x1 convolutions in -> width -> width -> K.

    Parameters
    ----------
    in_channels, num_channels, width : int
        F, K and the channels in between.
    """

    def __init__(self, in_channels: int, num_channels: int, width: int = 64) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            CellConvolution(in_channels, width),
            nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
            CellConvolution(width, width),
            nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
        )
        self.head = _start_at_zero(CellConvolution(width, num_channels))

    @property
    def first(self) -> nn.Conv2d:
        """The 1x1 convolution."""
        return cast("nn.Conv2d", self.trunk[0])

    def finish(self, hidden: Tensor) -> Tensor:
        """Map what `first` made, (N, width, h, w), to (N, K, h, w)."""
        logits: Tensor = self.head(self.trunk[1:](hidden))
        return logits


class ContextWeighter(CellWeighter):
    """Scores every cell by itself and the 21x21 cells around it, at full resolution.

    Residual 3x3 convolutions, dilated by `DILATIONS_CELLS`: a cell's own value passes through, and
    so stays sharp. In training, channels are dropped at random.

    Parameters
    ----------
    in_channels, num_channels, width : int
        As of `PixelWeighter`.
    """

    def __init__(self, in_channels: int, num_channels: int, width: int = 32) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            CellConvolution(in_channels, width),
            nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
            nn.Dropout2d(DROPOUT),
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=reach, dilation=reach, padding_mode="replicate"),
                nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
            )
            for reach in DILATIONS_CELLS
        )
        self.head = _start_at_zero(CellConvolution(width, num_channels))

    @property
    def first(self) -> nn.Conv2d:
        """The 1x1 convolution."""
        return cast("nn.Conv2d", self.reduce[0])

    def finish(self, hidden: Tensor) -> Tensor:
        """Map what `first` made, (N, width, h, w), to (N, K, h, w)."""
        found = self.reduce[1:](hidden)
        for block in self.blocks:
            found = found + block(found)
        logits: Tensor = self.head(found)
        return logits


class RegionTrunk(nn.Sequential):
    """Convolutions 4x4 of stride 2, each halving the grid (rounding up).

    A cell of the result sees 4, 10, 22, 46, 94 cells a side for `depth` 1 .. 5. Channels double
    with every halving and end at `width`: the first convolution, which does most of the work,
    costs a quarter of what it would at full width.
    """

    def __init__(self, in_channels: int, width: int, depth: int) -> None:
        narrowest = min(width, MIN_CHANNELS)
        widths = [max(width >> halvings, narrowest) for halvings in reversed(range(depth))]
        super().__init__(*map(_Halving, [in_channels, *widths[:-1]], widths))


class RegionWeighter(nn.Module):
    """Scores every cell by its surroundings.

    Parameters
    ----------
    in_channels, num_channels, width : int
        As of `PixelWeighter`.
    depth : int
        Number of halvings; the receptive field is 22, 46 or 94 cells for 3, 4 or 5.
    """

    def __init__(
        self, in_channels: int, num_channels: int, width: int = 64, depth: int = 3
    ) -> None:
        super().__init__()
        self.scale = 2**depth
        self.trunk = RegionTrunk(in_channels, width, depth)
        self.head = _start_at_zero(nn.Conv2d(width, num_channels, 1))

    def forward(self, inputs: Tensor, valid: Tensor) -> Tensor:
        """Map (N, F, h, w), and the (N, h, w) bool mask of labelled cells, to (N, K, h, w)."""
        del valid  # every cell is scored, whether it has a label or not
        coarse = self.head(self.trunk(_lay_out(inputs)))
        fine = nn.functional.interpolate(coarse, scale_factor=float(self.scale), mode="bilinear")
        return fine[..., : inputs.shape[-2], : inputs.shape[-1]]


class ImageWeighter(nn.Module):
    """Scores an image by one value: the trunk of `RegionWeighter`, its mean, a linear layer.

    The mean is over the labelled cells: a cell of the trunk counts as often as there are labelled
    cells under it. An image without any gets the linear layer's bias.

    Parameters
    ----------
    in_channels, num_channels, width, depth : int
        As of `RegionWeighter`.
    """

    def __init__(
        self, in_channels: int, num_channels: int, width: int = 64, depth: int = 3
    ) -> None:
        super().__init__()
        self.scale = 2**depth
        self.trunk = RegionTrunk(in_channels, width, depth)
        self.head = _start_at_zero(nn.Linear(width, num_channels))

    def forward(self, inputs: Tensor, valid: Tensor) -> Tensor:
        """Map (N, F, h, w), and the (N, h, w) bool mask of labelled cells, to (N, K, h, w)."""
        coarse = self.trunk(_lay_out(inputs))
        counts = _count_valid(valid, self.scale)
        total = (coarse * counts).sum((2, 3))
        # clamp: the sum over no cells is 0, and 0 / 1 keeps it so
        logits: Tensor = self.head(total / counts.sum((2, 3)).clamp(min=1.0))
        return logits[:, :, None, None].expand(-1, -1, *inputs.shape[-2:])


WEIGHTERS: Final[dict[str, Callable[[int, int, int, int], nn.Module]]] = {
    "image": ImageWeighter,
    "region": RegionWeighter,
    "pixel": lambda in_channels, num_channels, width, _depth: PixelWeighter(
        in_channels, num_channels, width
    ),
    "context": lambda in_channels, num_channels, width, _depth: ContextWeighter(
        in_channels, num_channels, width
    ),
}


def build_weighter(
    level: str, in_channels: int, num_channels: int, *, width: int = 64, depth: int = 3
) -> nn.Module:
    """Build the weighting network of a level.

    Parameters
    ----------
    level : str
        ``image``, ``region``, ``context`` or ``pixel``.
    in_channels : int
        F, channels of the inputs.
    num_channels : int
        K: 1, or the number of classes.
    width : int
        Channels of the hidden layers.
    depth : int
        Halvings of the grid at image and region level; of no effect at the others.

    Raises
    ------
    ConfigError
        If there is no such level.
    """
    if level not in WEIGHTERS:
        hint = did_you_mean(level, WEIGHTERS)
        msg = f"There is no level '{level}'; known levels: {', '.join(WEIGHTERS)}. {hint}"
        raise ConfigError(msg.rstrip())
    return WEIGHTERS[level](in_channels, num_channels, width, depth)


class _Halving(nn.Module):
    """A 4x4 convolution of stride 2 and a LeakyReLU; cell j of the result lies on 2j and 2j+1."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 4, stride=2)

    def forward(self, inputs: Tensor) -> Tensor:
        height, width = inputs.shape[-2:]
        padded = nn.functional.pad(inputs, (1, 1 + width % 2, 1, 1 + height % 2), mode="replicate")
        return nn.functional.leaky_relu(self.conv(padded), NEGATIVE_SLOPE)


def _lay_out(inputs: Tensor) -> Tensor:
    """Lay inputs out channels last: on a CPU the networks are two to four times faster so."""
    return inputs.contiguous(memory_format=torch.channels_last)


def _start_at_zero(layer: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """Zero weight and bias."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _count_valid(valid: Tensor, scale: int) -> Tensor:
    """Count the valid cells in each block of scale x scale: (N, h, w) to (N, 1, h', w')."""
    height, width = valid.shape[-2:]
    padded = nn.functional.pad(valid[:, None].float(), (0, -width % scale, 0, -height % scale))
    return nn.functional.avg_pool2d(padded, scale, divisor_override=1)
