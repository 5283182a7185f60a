"""Controls: a method whose weights are kept in number and size, but not in place.

What they gain in training is owed to how much each class is weighed, not to which of its cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Callable

    from curate.methods.protocol import Method
    from curate.records import Evidence


def permute(weights: Tensor) -> Tensor:
    """Deal weights (n,) out anew, by torch's own generator of random numbers."""
    return weights[torch.randperm(len(weights)).to(weights.device)]


def invert(weights: Tensor) -> Tensor:
    """Give the largest of the weights (n,) to the cell with the smallest, and so on."""
    order = weights.argsort(stable=True)
    inverted = torch.empty_like(weights)
    inverted[order] = weights[order].flip(0)
    return inverted


CONTROLS: Final[dict[str, Callable[[Tensor], Tensor]]] = {"permuted": permute, "inverted": invert}
"""What a control does with the weights of one class in one step: (n,) to (n,)."""


def within_classes(
    weights: Tensor, evidence: Evidence, change: Callable[[Tensor], Tensor]
) -> Tensor:
    """Change the weights of the synthetic cells of each class.

    Parameters
    ----------
    weights : (N, h, w) float32
    evidence : Evidence
        What was weighed.
    change : callable
        See `CONTROLS`.

    Returns
    -------
    changed : (N, h, w) float32
    """
    changed = weights.clone()
    synthetic = ~evidence.is_real[:, None, None] & (evidence.label_map != IGNORE_INDEX)
    for index in torch.unique(evidence.label_map[synthetic]).tolist():
        cells = synthetic & (evidence.label_map == index)
        changed[cells] = change(weights[cells])
    return changed


def controlled(method: type[Method], name: str) -> type[Method]:
    """Make the control `name` of a method."""
    change = CONTROLS[name]

    class Controlled(method):  # type: ignore[valid-type, misc]
        """The method, its weights changed within each class after the warm-up."""

        def step(self, evidence: Evidence, *, is_warmup: bool) -> tuple[Tensor, dict[str, Any]]:
            """Learn from a batch and weigh it, then change the weights."""
            weights, metrics = super().step(evidence, is_warmup=is_warmup)
            return (weights if is_warmup else within_classes(weights, evidence, change)), metrics

    return Controlled
