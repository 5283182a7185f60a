"""Outputs of submodules, taken while a network runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import Tensor

from curate.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import nn


@contextmanager
def capture_outputs(
    modules: Mapping[str, nn.Module], *, stops: bool = False
) -> Iterator[dict[str, Tensor]]:
    """Collect what `modules` return while the ``with`` block runs a network.

    The forward hooks live as long as the block, also where it raises. Of a module that runs
    several times the last output is kept; one that a later in-place operation changes is seen as
    changed.

    Parameters
    ----------
    modules : mapping of str to Module
        Name to file the output under, and the submodule.
    stops : bool
        Whether the block ends as soon as every module has returned.

    Yields
    ------
    captured : dict of str to (N, F, h, w) Tensor
        Filled by the time the network has run; still part of its graph.

    Raises
    ------
    RunError
        If a module returns something else than one tensor (N, F, h, w), or has not run by the
        end of the block.
    """
    captured: dict[str, Tensor] = {}
    handles = [
        module.register_forward_hook(_keep_output(captured, name, len(modules) if stops else 0))
        for name, module in modules.items()
    ]
    try:
        yield captured
    except _Complete:
        pass
    finally:
        for handle in handles:
            handle.remove()
    for name in modules:
        if name not in captured:
            msg = f"Stage '{name}' was not run by the network: ask for another stage."
            raise RunError(msg)


class _Complete(BaseException):
    """Everything is captured; not an `Exception`, which a network may catch."""


def _keep_output(
    captured: dict[str, Tensor], name: str, enough: int
) -> Callable[[nn.Module, tuple[object, ...], object], None]:
    """Make a forward hook that files the output of its module; the one of number `enough` stops."""

    def hook(module: nn.Module, _inputs: tuple[object, ...], output: object) -> None:
        if not isinstance(output, Tensor) or output.ndim != 4:
            seen = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            msg = (
                f"Stage '{name}' ({type(module).__name__}) returned {seen}; "
                "a stage must return one tensor (N, F, h, w): ask for another submodule."
            )
            raise RunError(msg)
        captured[name] = output
        if len(captured) == enough:
            raise _Complete

    return hook
