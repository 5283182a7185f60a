"""A small feature pyramid that predicts classes at stride 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence


class FPNDecoder(nn.Module):
    """Merges feature maps from coarse to fine, then smooths the finest.

    Coarse maps are doubled by nearest neighbour: it is several times faster than bilinear on a
    CPU, and the smoothing convolution removes the steps.

    Parameters
    ----------
    in_channels : sequence of int
        Channels of the feature maps, fine to coarse.
    width : int
        Channels of the result.
    """

    def __init__(self, in_channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in in_channels)
        self.smooth = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Merge maps (N, F_i, ceil(H / 2^i), ceil(W / 2^i)) to (N, width, H, W)."""
        merged: Tensor | None = None
        for lateral, feature in zip(reversed(self.laterals), reversed(features), strict=True):
            projected = lateral(feature)
            merged = projected if merged is None else projected + _double(merged, like=projected)
        smoothed: Tensor = self.smooth(merged)
        return smoothed


class FPN(nn.Module):
    """A backbone, a pyramid on its maps of stride 4 and coarser, and a linear classifier.

    Parameters
    ----------
    backbone : Module
        Maps images to a list of feature maps of stride 2, 4, 8, ..
    channels : sequence of int
        Channels of those maps.
    num_classes, width : int
    """

    def __init__(
        self, backbone: nn.Module, channels: Sequence[int], num_classes: int, width: int = 64
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.decoder = FPNDecoder(channels[1:], width)
        self.classifier = nn.Conv2d(width, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) to logits (N, C, ceil(H / 4), ceil(W / 4))."""
        logits: Tensor = self.classifier(self.decoder(self.backbone(images)[1:]))
        return logits


def _double(coarse: Tensor, *, like: Tensor) -> Tensor:
    """Repeat every cell 2x2, without the last row or column where `like` is odd."""
    height, width = like.shape[-2:]
    return F.interpolate(coarse, scale_factor=2.0, mode="nearest")[..., :height, :width]
