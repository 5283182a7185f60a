"""Colours of label files, as numbers and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Colour = tuple[int, int, int]

BLACK: Final = (0, 0, 0)
WHITE: Final = (255, 255, 255)
"""The colour that is ignored unless it is mapped, as 255 is among ids."""


def number_colours(colours: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Make one number of each colour: (.., 3) -> (..)."""
    red, green, blue = (colours[..., i].astype(np.uint32) for i in range(3))
    return np.asarray(red << 16 | green << 8 | blue, np.uint32)


def split_numbers(numbers: NDArray[Any]) -> NDArray[np.uint8]:
    """Undo `number_colours`: (..) -> (.., 3)."""
    parts = [numbers >> 16 & 255, numbers >> 8 & 255, numbers & 255]
    return np.stack(parts, axis=-1).astype(np.uint8)


def to_number(colour: Colour) -> int:
    """Make one number of a colour."""
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def to_hex(colour: Colour) -> str:
    """Write a colour as ``#rrggbb``."""
    return f"#{bytes(colour).hex()}"
