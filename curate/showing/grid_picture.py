"""Rows of pictures under common heads, as one picture: the sheet on paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from curate import texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from curate.showing.inks import Colour

GAP_PX: Final = 12
TEXT_PX: Final = 17
_LINE_PX: Final = 26
_PAPER: Final = (255, 255, 255)
_INK: Final = (40, 42, 46)
_MAX_CHARACTERS: Final = 120


@dataclass(frozen=True, slots=True)
class GridRow:
    """One row of pictures.

    Attributes
    ----------
    caption : str
        Stands above the row; may be empty.
    panels : sequence of (H, W, 3) uint8
        One under each head, stretched to the width of a column.
    """

    caption: str
    panels: Sequence[NDArray[np.uint8]]


def draw_grid(
    heads: Sequence[str],
    rows: Sequence[GridRow],
    *,
    width: int,
    key: Sequence[tuple[str, Colour]] = (),
) -> Image.Image:
    """Draw rows of panels.

    Parameters
    ----------
    heads : sequence of str
        One a column.
    width : int
        Of a column in pixels.
    key : sequence of (str, (int, int, int))
        Names of colours, below the rows.
    """
    font: Any = ImageFont.load_default(TEXT_PX)
    full = len(heads) * (width + GAP_PX) + GAP_PX
    places = _lay_out(key, font, full)
    heights = [_height(row, width) + _LINE_PX * bool(row.caption) + GAP_PX for row in rows]
    key_px = (places[-1][1] + _LINE_PX) if places else 0
    paper = Image.new("RGB", (full, _LINE_PX + GAP_PX + sum(heights) + key_px), _PAPER)
    brush = ImageDraw.Draw(paper)
    y = GAP_PX // 2
    for column, head in enumerate(heads):
        brush.text((GAP_PX + column * (width + GAP_PX), y), head, fill=_INK, font=font)
    y += _LINE_PX
    for row, height in zip(rows, heights, strict=True):
        top = y
        if row.caption:
            brush.text((GAP_PX, y), shorten(row.caption), fill=_INK, font=font)
            top += _LINE_PX
        for column, panel in enumerate(row.panels):
            picture = _stretch(panel, (width, _height(row, width)))
            paper.paste(picture, (GAP_PX + column * (width + GAP_PX), top))
        y += height
    for (name, colour), (x, down) in zip(key, places, strict=True):
        box = (x, y + down + 3, x + TEXT_PX - 3, y + down + TEXT_PX)
        brush.rectangle(box, fill=colour)
        brush.text((x + TEXT_PX + 3, y + down), shorten(name), fill=_INK, font=font)
    return paper


def shorten(text: str) -> str:
    """Spell out what cannot be printed, and cut off what is too long for a picture."""
    told = texts.printable(text)
    return told if len(told) <= _MAX_CHARACTERS else f"..{told[2 - _MAX_CHARACTERS :]}"


def _height(row: GridRow, width: int) -> int:
    """Return the height of a row's panels: that of the first one."""
    height, full = map(int, row.panels[0].shape[:2])
    return max(1, round(height * width / full))


def _stretch(panel: NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    """Bring a panel to the size of its place; what is enlarged keeps its pixels."""
    picture = Image.fromarray(np.ascontiguousarray(panel))
    is_smaller = picture.width <= size[0]
    how = Image.Resampling.NEAREST if is_smaller else Image.Resampling.BOX
    return picture.resize(size, how)


def _lay_out(
    key: Sequence[tuple[str, Colour]], font: ImageFont.FreeTypeFont, full: int
) -> list[tuple[int, int]]:
    """Place names of colours in lines, each (x, y)."""
    places, x, y = [], GAP_PX, 0
    for name, _ in key:
        needed = TEXT_PX + 3 + round(font.getlength(shorten(name))) + GAP_PX * 3 // 2
        if x > GAP_PX and x + needed > full:
            x, y = GAP_PX, y + _LINE_PX
        places.append((x, y))
        x += needed
    return places
