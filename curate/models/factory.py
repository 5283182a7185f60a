"""Segmenters brought by the user: ``package.module:factory``."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from curate.errors import ConfigError
from curate.models.pretrained import AUTO, NONE
from curate.models.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Callable

_BACKBONES = ("backbone", "encoder")


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
    if backbone_weights not in (AUTO, NONE):
        msg = (
            f"backbone_weights = '{backbone_weights}' is of no effect on {name}: a factory loads "
            f"its own weights. Remove the setting, or set it to '{AUTO}'."
        )
        raise ConfigError(msg)
    network = _find_factory(name)(num_classes=num_classes)
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
    except (ImportError, SyntaxError, ValueError, TypeError) as error:
        msg = (
            f"segmenter = '{name}': {module_name} cannot be imported: {error}. Required is "
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
    except TypeError as error:
        msg = (
            f"segmenter = '{name}': the factory is called as {attribute}(num_classes=...), "
            f"which it does not accept: {error}."
        )
        raise ConfigError(msg) from error
    return factory
