"""Which segmenters there are, and how each is built."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from curate.errors import ConfigError, did_you_mean
from curate.models.efficientnet_lite_fpn import build_efficientnet_lite0_fpn
from curate.models.factory import build_from_factory
from curate.models.hf import build_hf
from curate.models.smp import build_smp
from curate.models.torchvision import build_torchvision

if TYPE_CHECKING:
    from collections.abc import Callable

    from curate.models.segmenter import Segmenter

SEGMENTERS: Final[dict[str, Callable[[int, str], Segmenter]]] = {
    "efficientnet_lite0_fpn": build_efficientnet_lite0_fpn,
    "lraspp_mobilenet_v3_large": partial(build_torchvision, "lraspp_mobilenet_v3_large"),
    "deeplabv3_mobilenet_v3_large": partial(build_torchvision, "deeplabv3_mobilenet_v3_large"),
    "deeplabv3_resnet50": partial(build_torchvision, "deeplabv3_resnet50"),
    "deeplabv3_resnet101": partial(build_torchvision, "deeplabv3_resnet101"),
    "fcn_resnet50": partial(build_torchvision, "fcn_resnet50"),
    "fcn_resnet101": partial(build_torchvision, "fcn_resnet101"),
}
"""Name to builder of (num_classes, backbone_weights)."""

FAMILIES: Final[dict[str, Callable[[str, int, str], Segmenter]]] = {
    "smp": build_smp,
    "hf": build_hf,
}
"""Prefix of ``PREFIX:NAME`` to builder of (name, num_classes, backbone_weights)."""


def build_segmenter(name: str, num_classes: int, backbone_weights: str = "auto") -> Segmenter:
    """Build a segmenter; what is initialised at random is drawn from torch's global generator.

    Parameters
    ----------
    name : str
        A key of `SEGMENTERS`, ``smp:ARCHITECTURE:ENCODER``, ``hf:FOLDER_OR_ID``, or
        ``package.module:factory``.
    num_classes : int
    backbone_weights : str
        ``auto`` (the segmenter's own pretrained weights), ``none`` (random), or the path of a
        ``.safetensors`` or ``.pth`` file.

    Raises
    ------
    ConfigError
        If the name is unknown, an extra is not installed, or weights are missing or do not fit.
    RunError
        If weights would have to be downloaded but cannot be.
    """
    if name in SEGMENTERS:
        return SEGMENTERS[name](num_classes, backbone_weights)
    prefix, _, rest = name.partition(":")
    if rest and prefix in FAMILIES:
        return FAMILIES[prefix](rest, num_classes, backbone_weights)
    if rest and prefix:
        return build_from_factory(name, num_classes, backbone_weights)
    hint = did_you_mean(name, SEGMENTERS)
    msg = (
        f"There is no segmenter '{name}'. {hint}{' ' if hint else ''}Known: "
        f"{', '.join(SEGMENTERS)}, "
        "smp:ARCHITECTURE:ENCODER, hf:FOLDER_OR_ID, package.module:factory."
    )
    raise ConfigError(msg)
