"""Which segmenters there are, and how each is built."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from torch import nn

from curate.errors import ConfigError, did_you_mean
from curate.models import efficientnet_lite_fpn, hf, pretrained, smp, torchvision
from curate.models.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Callable

SEGMENTERS: Final[dict[str, Callable[[int, str], Segmenter]]] = {
    "efficientnet_lite0_fpn": efficientnet_lite_fpn.build_efficientnet_lite0_fpn,
    "lraspp_mobilenet_v3_large": partial(
        torchvision.build_torchvision, "lraspp_mobilenet_v3_large"
    ),
    "deeplabv3_mobilenet_v3_large": partial(
        torchvision.build_torchvision, "deeplabv3_mobilenet_v3_large"
    ),
    "deeplabv3_resnet50": partial(torchvision.build_torchvision, "deeplabv3_resnet50"),
    "deeplabv3_resnet101": partial(torchvision.build_torchvision, "deeplabv3_resnet101"),
    "fcn_resnet50": partial(torchvision.build_torchvision, "fcn_resnet50"),
    "fcn_resnet101": partial(torchvision.build_torchvision, "fcn_resnet101"),
}
"""Name to builder of (num_classes, backbone_weights)."""

FAMILIES: Final[dict[str, Callable[[str, int, str], Segmenter]]] = {
    "smp": smp.build_smp,
    "hf": hf.build_hf,
}
"""Prefix of ``PREFIX:NAME`` to builder of (name, num_classes, backbone_weights)."""

_BACKBONES: Final = ("backbone", "encoder")
"""Submodules of a user's network that learn at a lower rate."""


def is_factory(name: str) -> bool:
    """Tell whether a segmenter's name is that of code which would be imported."""
    prefix, _, rest = name.partition(":")
    return bool(prefix and rest) and name not in SEGMENTERS and prefix not in FAMILIES


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
    if is_factory(name):
        return build_from_factory(name, num_classes, backbone_weights)
    hint = did_you_mean(name, SEGMENTERS)
    msg = (
        f"There is no segmenter '{name}'. {hint}{' ' if hint else ''}Known: "
        f"{', '.join(SEGMENTERS)}, "
        "smp:ARCHITECTURE:ENCODER, hf:FOLDER_OR_ID, package.module:factory."
    )
    raise ConfigError(msg)


def build_from_factory(name: str, num_classes: int, backbone_weights: str) -> Segmenter:
    """Call a user's factory as ``factory(num_classes=...)``.

    Parameters
    ----------
    name : str
        ``package.module:factory``; the working directory is searched, too. The factory returns a
        network that maps images (N, 3, H, W) in [0, 1] to logits, or a `Segmenter`. A submodule
        called ``backbone`` or ``encoder`` learns at a third of the rate.
    num_classes : int
    backbone_weights : str
        ``auto`` or ``none``, which are the same here: the factory itself loads what it wants.

    Raises
    ------
    ConfigError
        If the factory cannot be imported or called, or returns something else.
    """
    if backbone_weights not in (pretrained.AUTO, pretrained.NONE):
        msg = (
            f"backbone_weights = '{backbone_weights}' is of no effect on {name}: a factory loads "
            f"its own weights. Remove the setting, or set it to '{pretrained.AUTO}'."
        )
        raise ConfigError(msg)
    factory = _find_factory(name)
    try:
        network = factory(num_classes=num_classes)
    except Exception as error:
        raise ConfigError(_explain(name, f"it raised {type(error).__name__}", error)) from error
    if isinstance(network, Segmenter):
        return network
    if not isinstance(network, nn.Module):
        msg = (
            f"{name} returned a {type(network).__name__}; required is a torch.nn.Module that maps "
            "images to logits."
        )
        raise ConfigError(msg)
    return Segmenter(
        network,
        num_classes=num_classes,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        stages={},
        backbone_prefixes=[child for child, _ in network.named_children() if child in _BACKBONES],
    )


def _find_factory(name: str) -> Callable[..., Any]:
    """Import the factory, and check that it can be called as it will be."""
    module_name, _, attribute = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a console script, unlike `python -m`, leaves it out
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        msg = (
            f"{_explain(name, f'{module_name} cannot be imported', error)} Required is "
            "package.module:factory, importable from the working directory or installed."
        )
        raise ConfigError(msg) from error
    factory: Callable[..., Any] | None = getattr(module, attribute, None)
    if not callable(factory):
        seen = "has no such name" if factory is None else f"has a {type(factory).__name__} there"
        msg = f"segmenter = '{name}': {module_name} {seen}; '{attribute}' must be a function."
        raise ConfigError(msg)
    try:
        inspect.signature(factory).bind(num_classes=1)
    except (TypeError, ValueError) as error:  # ValueError: what is built in has no signature
        msg = (
            f"segmenter = '{name}': the factory is called as {attribute}(num_classes=...), "
            f"which it does not accept: {error}."
        )
        raise ConfigError(msg) from error
    return factory


def _explain(name: str, what: str, error: Exception) -> str:
    """Say what came of a user's code, and in which line of it."""
    lines = traceback.extract_tb(error.__traceback__)
    own = [line for line in lines if not line.filename.startswith((__file__, "<frozen"))]
    place = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    return f"segmenter = '{name}': {what}: {error}{place}."
