"""Segmenters of Hugging Face transformers: ``hf:FOLDER_OR_ID``.

Only safetensors are read, and code that comes with a model is never run.
"""

from __future__ import annotations

import importlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from safetensors import SafetensorError
from torch import nn

from curate.errors import ConfigError, RunError
from curate.models.pretrained import AUTO, NONE
from curate.models.segmenter import IMAGENET_MEAN, IMAGENET_STD, Segmenter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

_PATCH_EMBEDDING: Final = "patch_embedding"
_UNREADABLE: Final = (
    OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, SafetensorError
)  # fmt: skip


def build_hf(name: str, num_classes: int, backbone_weights: str) -> Segmenter:
    """Build any ``AutoModelForSemanticSegmentation``, with a new classifier of `num_classes`.

    Parameters
    ----------
    name : str
        A folder written by ``save_pretrained``, or an id on the Hugging Face hub.
    num_classes : int
    backbone_weights : str
        ``auto`` (those of the checkpoint) or ``none`` (random).

    Raises
    ------
    ConfigError
        If the package is missing, the checkpoint is unfit, or a weights file is given.
    RunError
        If `name` is no folder, and as an id neither cached nor reachable.
    """
    if backbone_weights not in (AUTO, NONE):
        msg = (
            f"backbone_weights = '{backbone_weights}' is of no effect on hf:{name}, which brings "
            f"its own weights. Set it to '{AUTO}' or '{NONE}', or give another folder as hf:FOLDER."
        )
        raise ConfigError(msg)
    transformers = _import_transformers()
    with _quiet(transformers):
        network, mean, std = _load(transformers, name, num_classes, backbone_weights)
    backbone = _name_backbone(network)
    return Segmenter(
        network.float().train(),
        num_classes=num_classes,
        mean=mean,
        std=std,
        stages=_find_stages(network),
        backbone_prefixes=(backbone,) if backbone else (),
    )


def _import_transformers() -> ModuleType:
    """Import transformers, or say how to get it."""
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        msg = (
            f"Segmenters 'hf:..' need transformers, which cannot be imported ({error}). "
            "Run: pip install 'curate-seg[hf]'"
        )
        raise ConfigError(msg) from error


@contextmanager
def _quiet(transformers: ModuleType) -> Iterator[None]:
    """Keep transformers from reporting the replaced classifier as a problem."""
    logging = transformers.utils.logging
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _load(
    transformers: ModuleType, name: str, num_classes: int, backbone_weights: str
) -> tuple[nn.Module, list[float], list[float]]:
    """Load a checkpoint and the normalisation of its images."""
    try:
        if backbone_weights == AUTO:
            network = _load_pretrained(transformers, name, num_classes)
        else:
            config = transformers.AutoConfig.from_pretrained(
                name, num_labels=num_classes, trust_remote_code=False
            )
            network = transformers.AutoModelForSemanticSegmentation.from_config(
                config, trust_remote_code=False
            )
        return network, *_find_normalisation(transformers, name)
    except (*_UNREADABLE, _strict_error()) as error:
        reason = " ".join(str(error).split())[:300]
        is_folder = os.path.isdir(name)  # noqa: PTH112 (a name may be of any length)
        if is_folder or not isinstance(error, OSError):
            msg = (
                f"segmenter = 'hf:{name}' cannot be loaded: {reason} Required is a semantic "
                "segmentation model, saved by save_pretrained, with its weights as safetensors."
            )
            raise ConfigError(msg) from error
        msg = (
            f"segmenter = 'hf:{name}': there is no such folder, and as an id of the Hugging Face "
            f"hub it is neither cached nor reachable: {reason} Give the folder of a model saved "
            "by save_pretrained."
        )
        raise RunError(msg) from error


def _load_pretrained(transformers: ModuleType, name: str, num_classes: int) -> nn.Module:
    """Load a checkpoint whose backbone must be complete, whatever its classifier."""
    network: nn.Module
    network, info = transformers.AutoModelForSemanticSegmentation.from_pretrained(
        name,
        num_labels=num_classes,
        ignore_mismatched_sizes=True,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    backbone = _name_backbone(network)
    misshapen = [key for key, *_ in info["mismatched_keys"]]
    lost = [key for key in (*info["missing_keys"], *misshapen) if key.startswith(f"{backbone}.")]
    if backbone and lost:
        msg = f"{len(lost)} tensors of its backbone are missing or misshapen."
        raise ValueError(msg)
    return network


def _find_normalisation(transformers: ModuleType, name: str) -> tuple[list[float], list[float]]:
    """Read mean and standard deviation from preprocessor_config.json, else take ImageNet's."""
    try:
        settings, _ = transformers.ImageProcessingMixin.get_image_processor_dict(name)
    except OSError:  # the file is optional
        settings = {}
    if not settings.get("do_normalize", True):
        return [0.0] * 3, [1.0] * 3
    mean, std = (
        [float(value) for value in settings.get(key, default)]
        for key, default in (("image_mean", IMAGENET_MEAN), ("image_std", IMAGENET_STD))
    )
    if len(mean) != 3 or len(std) != 3 or not all(value > 0 for value in std):
        msg = f"its preprocessor_config.json has image_mean {mean} and image_std {std}."
        raise ValueError(msg)
    return mean, std


def _name_backbone(network: Any) -> str:  # noqa: ANN401
    """Name the submodule that is the backbone; empty where none is known."""
    candidates = (network.base_model_prefix, "backbone")
    return next((name for name in candidates if name and hasattr(network, name)), "")


def _find_stages(network: nn.Module) -> dict[str, str]:
    """Name the convolutions that embed patches by their stride; finer ones come first."""
    stages: dict[str, str] = {}
    stride = 1
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and _PATCH_EMBEDDING in name:
            stride *= module.stride[0]
            stages[f"stride{stride}"] = name
    return stages


def _strict_error() -> type[Exception]:
    """Return what newer versions of huggingface_hub raise on a malformed configuration."""
    from huggingface_hub import errors

    kind: type[Exception] = getattr(errors, "StrictDataclassError", ValueError)
    return kind
