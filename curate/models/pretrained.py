"""Pretrained weights of a backbone, read from a local file."""

from __future__ import annotations

import pickle
import warnings
from typing import TYPE_CHECKING, Final

import safetensors.torch
import torch
from torch import Tensor, nn

from curate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

AUTO: Final = "auto"
"""Value of `backbone_weights`: the weights that belong to the segmenter."""
NONE: Final = "none"
"""Value of `backbone_weights`: random initialisation."""

# What torch.load(weights_only=True) and safetensors raise on damaged or foreign files.
_UNREADABLE: Final = (
    safetensors.SafetensorError, pickle.UnpicklingError, OSError, RuntimeError, ValueError,
    EOFError, LookupError, TypeError, AttributeError, OverflowError, MemoryError, AssertionError,
)  # fmt: skip
_NUM_SHOWN: Final = 4


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a ``.safetensors`` file, or any other with ``weights_only=True``.

    Raises
    ------
    ConfigError
        If the file is missing, cannot be read, or holds something else than named tensors.
    """
    if not path.is_file():
        msg = (
            f"backbone_weights: {path} is not a file. "
            f"Give a .safetensors or .pth file, '{AUTO}' or '{NONE}'."
        )
        raise ConfigError(msg)
    try:
        state = _load(path)
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        msg = (
            f"backbone_weights: {path} cannot be read: {reason} "
            "Required is a state dict as .safetensors, or as .pth that holds tensors only."
        )
        raise ConfigError(msg) from error
    if not isinstance(state, dict) or not all(_is_entry(*entry) for entry in state.items()):
        seen = f"keys {_some(map(str, state))}" if isinstance(state, dict) else type(state).__name__
        msg = f"backbone_weights: {path} holds {seen}; required is a dict of name to tensor."
        raise ConfigError(msg)
    return state


def load_backbone(
    backbone: nn.Module,
    state: Mapping[str, Tensor],
    *,
    source: str,
    prefixes: Sequence[str] = (),
    ignored: Sequence[str] = (),
) -> None:
    """Copy `state` into `backbone`, strictly.

    Parameters
    ----------
    backbone : Module
    state : mapping of str to Tensor
        Names may all carry one of `prefixes`; ``num_batches_tracked`` may be missing.
    source : str
        What error messages call `state`.
    prefixes : sequence of str
        Prefixes under which a full model keeps the backbone, as in ``"features."``.
    ignored : sequence of str
        Beginnings of the names of a full model that the backbone has no use for.

    Raises
    ------
    ConfigError
        Naming a few missing, unexpected or misshapen tensors.
    """
    wanted = backbone.state_dict()
    prefix = max(("", *prefixes), key=lambda p: sum(f"{p}{name}" in state for name in wanted))
    missing = [
        f"{prefix}{name}"
        for name in wanted
        if f"{prefix}{name}" not in state and not name.endswith("num_batches_tracked")
    ]
    given = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    unexpected = [
        name for name in given if name not in wanted and not name.startswith(tuple(ignored))
    ]
    misshapen = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in given and given[name].shape != tensor.shape
    ]
    problems = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    found = [f"{len(names)} {kind} ({_some(names)})" for kind, names in problems.items() if names]
    if found:
        msg = (
            f"backbone_weights: {source} does not fit {type(backbone).__name__}: "
            f"of its {len(wanted)} tensors and the {len(state)} given, {'; '.join(found)}. "
            "Give the state dict of this very backbone."
        )
        raise ConfigError(msg)
    backbone.load_state_dict({name: given.get(name, tensor) for name, tensor in wanted.items()})


def _load(path: Path) -> object:
    """Read a file by its suffix."""
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.load warns of old formats that it can still read
        return torch.load(path, map_location="cpu", weights_only=True)


def _is_entry(name: object, value: object) -> bool:
    """Tell whether an entry of a loaded dict belongs to a state dict."""
    return isinstance(name, str) and isinstance(value, Tensor)


def _some(names: Iterable[str]) -> str:
    """Join the first few names."""
    shown = list(names)
    return ", ".join(shown[:_NUM_SHOWN]) + (", .." if len(shown) > _NUM_SHOWN else "")
