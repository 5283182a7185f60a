"""Nested dictionaries and lists with tensors at the leaves, as flat tensors and plain JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from curate.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

Plain = str | int | float | bool | None


def pack(tree: object, prefix: str = "tensor") -> tuple[dict[str, Tensor], Any]:
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
    tensors: dict[str, Tensor] = {}

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


def unpack(tensors: Mapping[str, Tensor], layout: object) -> Any:  # noqa: ANN401
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


def _rebuild(tensors: Mapping[str, Tensor], layout: Any) -> Any:  # noqa: ANN401
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
