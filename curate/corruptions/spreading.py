"""Let what is in one part of an image spread into another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ALL: slice = slice(None)
_FIRST, _LAST = slice(None, -1), slice(1, None)
_NEIGHBOURS = (
    ((_LAST, _ALL), (_FIRST, _ALL)),
    ((_FIRST, _ALL), (_LAST, _ALL)),
    ((_ALL, _LAST), (_ALL, _FIRST)),
    ((_ALL, _FIRST), (_ALL, _LAST)),
)
"""Slices of the pixels that have a neighbour on one side, and of those neighbours."""


def spread(sources: NDArray[np.bool_], into: NDArray[np.bool_], *, steps: int) -> NDArray[np.int64]:
    """Let `sources` grow into `into` by one pixel a step, up, down, left and right.

    Parameters
    ----------
    sources, into : (H, W) bool
        Where growth begins, and the pixels it may take.
    steps : int
        It ends earlier once nothing is left to take.

    Returns
    -------
    origin : (H, W) int64
        Number of the source pixel, row * W + column, that took each pixel; a pixel that was not
        taken has its own number.
    """
    origin = np.arange(sources.size).reshape(sources.shape)
    is_taken = sources.copy()
    for _ in range(steps):
        grown, reached = is_taken.copy(), origin.copy()
        for here, there in _NEIGHBOURS:
            is_new = into[here] & is_taken[there] & ~grown[here]
            reached[here][is_new] = origin[there][is_new]
            grown[here] |= is_new
        if (grown == is_taken).all():
            break
        is_taken, origin = grown, reached
    return origin
