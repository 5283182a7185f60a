"""Segmenters of segmentation-models-pytorch: ``smp:ARCHITECTURE:ENCODER``."""

from __future__ import annotations

import difflib
import importlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from torch import Tensor, nn

from curate.errors import ConfigError, RunError
from curate.models.pretrained import AUTO, NONE, load_backbone, read_state_dict
from curate.models.segmenter import IMAGENET_MEAN, IMAGENET_STD, Segmenter

if TYPE_CHECKING:
    from types import ModuleType

_PREFIXES: Final = ("encoder.", "model.", "module.")
_HEADS: Final = ("fc.", "classifier.", "head.", "last_linear.", "conv_head.", "bn2.")
_UNSUPPORTED: Final = ("dpt",)  # its encoder returns more than feature maps
_IMAGENET: Final = (IMAGENET_MEAN, IMAGENET_STD)


class TappedNetwork(nn.Module):
    """Encoder, decoder and head, with a named tap on each feature map of the encoder."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 -- the package has no types
        super().__init__()
        self.encoder = model.encoder
        self.decoder = model.decoder
        self.head = model.segmentation_head
        self.taps = nn.ModuleList(nn.Identity() for _ in model.encoder.out_channels)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) to logits (N, C, H, W)."""
        features = self.encoder(images)
        tapped = [tap(feature) for tap, feature in zip(self.taps, features, strict=True)]
        logits: Tensor = self.head(self.decoder(tapped))
        return logits


def build_smp(name: str, num_classes: int, backbone_weights: str) -> Segmenter:
    """Build a segmenter of segmentation-models-pytorch; logits have stride 1.

    Parameters
    ----------
    name : str
        ``ARCHITECTURE:ENCODER``, as in ``Unet:resnet18`` or ``FPN:tu-convnext_tiny``.
    num_classes : int
    backbone_weights : str
        ``auto`` (the encoder's ImageNet weights, from the Hugging Face cache or the network),
        ``none`` (random), or a file with the state dict of the encoder.

    Raises
    ------
    ConfigError
        If the package is missing, the name is unknown, or a weights file does not fit.
    RunError
        If the ImageNet weights are neither cached nor reachable.
    """
    smp = _import_smp()
    architecture, _, encoder = name.partition(":")
    _check_architecture(smp, architecture, encoder)
    model = _create(smp, architecture, encoder, num_classes, is_pretrained=backbone_weights == AUTO)
    if backbone_weights not in (AUTO, NONE):
        state = read_state_dict(Path(backbone_weights))
        load_backbone(
            model.encoder, state, source=backbone_weights, prefixes=_PREFIXES, ignored=_HEADS
        )
    mean, std = _find_normalisation(smp, encoder) if backbone_weights == AUTO else _IMAGENET
    stride: int = model.encoder.output_stride
    is_multiple_required = getattr(model, "requires_divisible_input_shape", True)
    return Segmenter(
        TappedNetwork(model),
        num_classes=num_classes,
        mean=mean,
        std=std,
        stages=_name_stages(model.encoder.out_channels, stride) | {"decoder": "decoder"},
        backbone_prefixes=("encoder",),
        multiple_of=stride if is_multiple_required else 1,
        channels_last=True,
    )


def _import_smp() -> ModuleType:
    """Import segmentation-models-pytorch, or say how to get it."""
    try:
        return importlib.import_module("segmentation_models_pytorch")
    except ImportError as error:
        msg = (
            "Segmenters 'smp:..' need segmentation-models-pytorch, which cannot be imported "
            f"({error}). Run: pip install 'curate-seg[smp]'"
        )
        raise ConfigError(msg) from error


def _check_architecture(smp: ModuleType, architecture: str, encoder: str) -> None:
    """Raise unless there is such an architecture and some encoder is named."""
    known = [key for key in smp.MODEL_ARCHITECTURES_MAPPING if key not in _UNSUPPORTED]
    if not encoder or architecture.lower() not in known:
        msg = (
            f"segmenter = 'smp:{architecture}:{encoder}': required is smp:ARCHITECTURE:ENCODER, "
            f"ARCHITECTURE being one of {', '.join(known)}."
        )
        raise ConfigError(msg)


def _create(
    smp: ModuleType, architecture: str, encoder: str, num_classes: int, *, is_pretrained: bool
) -> Any:  # noqa: ANN401 -- the package has no types
    """Create the model, turning what can go wrong into errors that say what to do."""
    weights: bool | str = True if encoder.startswith("tu-") else "imagenet"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # "timm-" encoders work as well
            return smp.create_model(
                architecture,
                encoder,
                encoder_weights=weights if is_pretrained else None,
                classes=num_classes,
            )
    except OSError as error:
        msg = (
            f"The ImageNet weights of {encoder} are neither cached nor reachable: {error} Either "
            "set backbone_weights to a local file with the encoder's state dict, or to "
            f"'{NONE}' to start from random weights."
        )
        raise RunError(msg) from error
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        _refuse_encoder(smp, architecture, encoder, error)


def _refuse_encoder(smp: ModuleType, architecture: str, encoder: str, error: Exception) -> NoReturn:
    """Say that an architecture cannot be built on this encoder, and name the nearest ones."""
    near = difflib.get_close_matches(encoder, smp.encoders.get_encoder_names(), n=3, cutoff=0.4)
    hint = f"Nearest encoders: {', '.join(near)}. " if near else ""
    msg = (
        f"segmenter = 'smp:{architecture}:{encoder}' cannot be built: {str(error)[:200]}. {hint}"
        "Any timm encoder can be named as tu-NAME."
    )
    raise ConfigError(msg) from error


def _find_normalisation(smp: ModuleType, encoder: str) -> tuple[list[float], list[float]]:
    """Look up the mean and standard deviation that an encoder was trained with."""
    settings = smp.encoders.get_preprocessing_params(encoder)
    scale = max(settings["input_range"])
    return [m / scale for m in settings["mean"]], [s / scale for s in settings["std"]]


def _name_stages(channels: tuple[int, ...], output_stride: int) -> dict[str, str]:
    """Name the taps by their stride, without those that an encoder leaves empty."""
    return {
        f"stride{2**level}": f"taps.{level}"
        for level, num_channels in enumerate(channels)
        if level and num_channels and 2**level <= output_stride
    }
