"""Tensors and plain values in one safetensors file, written as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import safetensors.torch
import torch

from curate.errors import RunError, StoreError
from curate.files.atomic import disk_errors, replacing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FORMAT: Final = "curate-state"
_VERSION: Final = 2
_UNREADABLE: Final = (
    safetensors.SafetensorError, StoreError, ValueError, RuntimeError, RecursionError, TypeError,
)  # fmt: skip

Plain = str | int | float | bool | None


def save_state(path: Path, tensors: Mapping[str, torch.Tensor], meta: Mapping[str, Any]) -> None:
    """Save tensors, bit for bit, and plain values.

    Parameters
    ----------
    path : Path
        Replaced as a whole; what was there stays if anything fails.
    tensors : dict of str to Tensor
        Of any device, shape and stride; stored contiguously.
    meta : dict
        Must be JSON; floats come back exactly, NaN and infinity included.

    Raises
    ------
    StoreError
        If the disk does not let us.
    """
    # One key: the library writes several in random order, and equal states shall be equal files.
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    table = {"format_version": _VERSION, "meta": dict(meta), "sha256": _checksum(plain, meta)}
    header = {_FORMAT: json.dumps(table)}
    content = safetensors.torch.save(_unshared(plain), metadata=header)
    with replacing(path) as partial:
        partial.write_bytes(content)


def load_state(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Load what `save_state` saved; tensors come to the CPU.

    Raises
    ------
    RunError
        If the file is missing, truncated, damaged or foreign, or a newer version wrote it.
    """
    if not path.is_file():
        msg = f"{path} does not exist. Start the run again, or name another one."
        raise RunError(msg)
    try:
        with disk_errors("read", path), safetensors.safe_open(path, framework="pt") as file:
            meta, checksum = _read_meta(file.metadata() or {}, path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except _UNREADABLE as error:
        msg = f"{path} cannot be read: {error}. Start the run again, or name another one."
        raise RunError(msg) from error
    if checksum != _checksum(tensors, meta):
        msg = (
            f"{path} is not what was written (its SHA-256 differs): the disk, or somebody, changed "
            "it. Start the run again, or name another one."
        )
        raise RunError(msg)
    return tensors, meta


def pack(tree: object, prefix: str = "tensor") -> tuple[dict[str, torch.Tensor], Any]:
    """Separate the tensors of a nested structure from the rest.

    Parameters
    ----------
    tree : object
        Dictionaries with plain keys, lists, tuples, tensors, strings, numbers, booleans and
        None, as in the ``state_dict()`` of an optimizer.
    prefix : str
        Begins the name of each tensor: ``tensor.0``, ``tensor.1``, ...

    Returns
    -------
    tensors : dict of str to Tensor
    layout : JSON
        What `unpack` needs to put the structure together again.

    Raises
    ------
    TypeError
        If a leaf is something else.
    """
    tensors: dict[str, torch.Tensor] = {}

    def visit(node: object) -> list[Any]:
        if isinstance(node, torch.Tensor):
            name = f"{prefix}.{len(tensors)}"
            tensors[name] = node
            return ["tensor", name]
        if isinstance(node, dict):
            return ["dict", [[_plain(key), visit(value)] for key, value in node.items()]]
        if isinstance(node, list | tuple):
            return [type(node).__name__, [visit(value) for value in node]]
        return ["value", _plain(node)]

    return tensors, visit(tree)


def unpack(tensors: Mapping[str, torch.Tensor], layout: object) -> Any:  # noqa: ANN401
    """Put a structure together again; the inverse of `pack`.

    Raises
    ------
    RunError
        If the layout was not made by `pack`, or a tensor is missing.
    """
    try:
        return _rebuild(tensors, layout)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        msg = f"a saved state is incomplete ({error}). Start the run again."
        raise RunError(msg) from error


def _unshared(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Copy tensors that share memory with an earlier one, which the format cannot express."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        key = tensor.untyped_storage().data_ptr()
        result[name] = tensor.clone() if key in seen else tensor
        seen.add(key)
    return result


def _checksum(tensors: Mapping[str, torch.Tensor], meta: Mapping[str, Any]) -> str:
    """Hash all that is saved: names, types, shapes, every bit of the tensors, plain values."""
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read_meta(header: dict[str, str], path: Path) -> tuple[dict[str, Any], object]:
    """Check the header; return the plain values and the checksum of the whole."""
    if _FORMAT not in header:
        msg = f"{path} is no saved state of curate. Name a file of a run."
        raise RunError(msg)
    content = json.loads(header[_FORMAT])
    table = content if isinstance(content, dict) else {}
    version, meta = table.get("format_version"), table.get("meta")
    if isinstance(version, int) and version > _VERSION:
        msg = (
            f"{path} has format version {version}; this curate reads versions up to {_VERSION}. "
            "Install a newer curate, or fit again."
        )
        raise RunError(msg)
    if version != _VERSION or not isinstance(meta, dict):
        msg = f"its values are no table of format version {_VERSION}"
        raise ValueError(msg)
    return meta, table.get("sha256")


def _rebuild(tensors: Mapping[str, torch.Tensor], layout: Any) -> Any:  # noqa: ANN401
    """Put one node together."""
    kind, content = layout
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _rebuild(tensors, value) for key, value in content}
    if kind == "list":
        return [_rebuild(tensors, value) for value in content]
    if kind == "tuple":
        return tuple(_rebuild(tensors, value) for value in content)
    if kind == "value":
        return content
    msg = f"unknown node {kind!r}"
    raise ValueError(msg)


def _plain(value: object) -> Plain:
    """Refuse what JSON cannot give back as it was."""
    if value is None or isinstance(value, str | int | float):
        return value
    msg = f"{type(value).__name__} cannot be saved; tensors and plain values can"
    raise TypeError(msg)
