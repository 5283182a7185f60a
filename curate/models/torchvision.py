"""Segmenters of torchvision, without their auxiliary loss and their final upsampling.

Logits of ``lraspp_mobilenet_v3_large``, ``deeplabv3_resnet*`` and ``fcn_resnet*`` have stride 8,
those of ``deeplabv3_mobilenet_v3_large`` stride 16. DeepLabV3 normalises over a single cell an
image, so it cannot train on batches of one.
"""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torchvision import models

from curate.errors import RunError
from curate.models.pretrained import AUTO, NONE, load_backbone, read_state_dict
from curate.models.segmenter import IMAGENET_MEAN, IMAGENET_STD, Segmenter

if TYPE_CHECKING:
    from collections.abc import Mapping

_RESNET_STAGES: Final = {
    "stride2": "backbone.relu",
    "stride4": "backbone.layer1",
    "stride8": "backbone.layer2",
    "decoder": "classifier.3",
}
_MOBILENET_STAGES: Final = {
    "stride2": "backbone.1",
    "stride4": "backbone.3",
    "stride8": "backbone.6",
    "stride16": "backbone.15",
}

STAGES: Final[dict[str, Mapping[str, str]]] = {
    "lraspp_mobilenet_v3_large": _MOBILENET_STAGES | {"decoder": "classifier.cbr"},
    "deeplabv3_mobilenet_v3_large": _MOBILENET_STAGES | {"decoder": "classifier.3"},
    "deeplabv3_resnet50": _RESNET_STAGES,
    "deeplabv3_resnet101": _RESNET_STAGES,
    "fcn_resnet50": _RESNET_STAGES,
    "fcn_resnet101": _RESNET_STAGES,
}
"""Architectures, and where their stages are."""

_PREFIXES: Final = ("backbone.", "features.", "module.")
_HEADS: Final = ("fc.", "classifier.", "aux_classifier.")


class NativeStride(nn.Module):
    """Backbone and classifier of a torchvision segmenter; logits stay at their own stride."""

    def __init__(self, backbone: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) to logits (N, C, h, w)."""
        features = self.backbone(images)  # LRASPP's classifier takes two of them, others one
        logits: Tensor = self.classifier(features.get("out", features))
        return logits


def build_torchvision(architecture: str, num_classes: int, backbone_weights: str) -> Segmenter:
    """Build a segmenter of torchvision.

    Parameters
    ----------
    architecture : str
        A key of `STAGES`.
    num_classes : int
    backbone_weights : str
        ``auto`` (torchvision's ImageNet weights, from its cache or the network), ``none``
        (random), or a file with the state dict of the backbone or its full classifier.

    Raises
    ------
    ConfigError
        If the weights are missing, unreadable or do not fit.
    RunError
        If the ImageNet weights are neither cached nor reachable.
    """
    build = getattr(models.segmentation, architecture)
    model = build(weights=None, weights_backbone=None, num_classes=num_classes)
    if backbone_weights != NONE:
        is_auto = backbone_weights == AUTO
        path = fetch_imagenet_weights(architecture) if is_auto else Path(backbone_weights)
        load_backbone(
            model.backbone,
            read_state_dict(path),
            source=str(path),
            prefixes=_PREFIXES,
            ignored=_HEADS,
        )
    return Segmenter(
        NativeStride(model.backbone, model.classifier),
        num_classes=num_classes,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        stages=STAGES[architecture],
        backbone_prefixes=("backbone",),
        channels_last=True,
    )


def fetch_imagenet_weights(architecture: str) -> Path:
    """Return the path of the backbone's weights in torch's cache, downloaded if need be.

    Raises
    ------
    RunError
        If they are neither cached nor reachable.
    """
    encoder = architecture.split("_", 1)[1]
    url: str = models.get_model_weights(encoder)["IMAGENET1K_V1"].url
    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        checksum = path.stem.rpartition("-")[2]
        torch.hub.download_url_to_file(url, str(path), checksum, progress=False)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        msg = (
            f"The ImageNet weights of {architecture} are neither cached as {path} nor reachable "
            f"at {url} ({error}). Either download that file elsewhere and set backbone_weights to "
            f"its path, or set backbone_weights = '{NONE}' to start from random weights."
        )
        raise RunError(msg) from error
    return path
