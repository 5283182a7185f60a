"""Colours of classes and of scores, and small pictures in them, as text that a page can hold."""

from __future__ import annotations

import base64
import colorsys
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Colour = tuple[int, int, int]

IGNORED: Final = (24, 24, 26)
"""Of pixels without a class."""

NO_SCORE: Final = 255
"""Value of cells that have no score; scores go from 0 to 254."""

USUAL: Final[dict[str, Colour]] = {
    "road": (128, 64, 128), "pavement": (232, 90, 210), "sidewalk": (232, 90, 210),
    "building": (106, 112, 124), "wall": (116, 118, 156), "fence": (190, 153, 153),
    "pole": (214, 190, 120), "traffic light": (250, 170, 30), "traffic sign": (226, 210, 20),
    "sign": (226, 210, 20), "tree": (86, 140, 50), "vegetation": (86, 140, 50),
    "terrain": (152, 226, 152), "sky": (90, 150, 210), "person": (220, 40, 70),
    "pedestrian": (220, 40, 70), "rider": (255, 100, 60), "car": (50, 60, 190),
    "truck": (40, 30, 110), "bus": (0, 110, 130), "train": (0, 140, 110),
    "motorcycle": (110, 60, 230), "bicycle": (150, 30, 50), "bicyclist": (150, 30, 50),
}  # fmt: skip
"""Of classes whose colour people expect; others get hues that lie apart."""

WHOLE: Final = (0.0, 1.0)
"""The span of all scores."""

JPEG_QUALITY: Final = 78

_TURN: Final = 0.618034  # of the hue circle: the golden ratio never comes back to an earlier hue
_SHADES: Final = ((0.62, 0.86), (0.5, 0.62), (0.4, 0.95))


def class_colours(names: Sequence[str]) -> list[Colour]:
    """Choose a colour for each class, RGB from 0 to 255."""
    return [USUAL.get(name.lower(), _spread(index)) for index, name in enumerate(names)]


def class_palette(names: Sequence[str]) -> NDArray[np.uint8]:
    """Return the colour of every value of a label map, (256, 3)."""
    palette = np.tile(np.array(IGNORED, np.uint8), (256, 1))
    palette[: len(names)] = class_colours(names)
    return palette


@cache
def score_palette() -> NDArray[np.uint8]:
    """Return the colour of every score from 0 to 254, dark blue to yellow, (256, 3).

    Equal steps of the score look equally large, for colour-blind people and in grey, too
    (viridis, by Smith and van der Walt).
    """
    from matplotlib import colormaps  # takes a moment to import

    scale = np.linspace(0, 1, NO_SCORE)
    colours = (colormaps["viridis"](scale)[:, :3] * 255).round().astype(np.uint8)
    return np.concatenate([colours, np.array([IGNORED], np.uint8)])


def as_ink(
    cells: NDArray[np.uint8],
    valid: NDArray[np.bool_] | None = None,
    span: tuple[float, float] = WHOLE,
) -> NDArray[np.uint8]:
    """Turn scores times 255 into indices of the palette, `NO_SCORE` where there is no class.

    Parameters
    ----------
    valid : bool, optional
        Where there is a class, in the shape of `cells`; everywhere by default.
    span : (float, float)
        Scores that get the first and the last colour.
    """
    low, high = span
    places = (cells / 255 - low) / (high - low) * (NO_SCORE - 1)
    colours = places.round().clip(0, NO_SCORE - 1).astype(np.uint8)
    return colours if valid is None else np.where(valid, colours, np.uint8(NO_SCORE))


def shrink(pixels: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Make an image (H, W, 3) at most `width` wide; smaller ones stay as they are."""
    size = _fit(pixels.shape, width)
    if size == (pixels.shape[1], pixels.shape[0]):
        return pixels
    picture = Image.fromarray(pixels)
    return np.asarray(picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0))


def pick(values: NDArray[Any], width: int) -> NDArray[Any]:
    """Make a map (H, W) at most `width` wide, each value being that at its centre."""
    across, down = _fit(values.shape, width)
    rows = (np.arange(down) * 2 + 1) * values.shape[0] // (2 * down)
    columns = (np.arange(across) * 2 + 1) * values.shape[1] // (2 * across)
    return np.asarray(values[rows][:, columns])


def jpeg(pixels: NDArray[np.uint8], *, quality: int = JPEG_QUALITY) -> str:
    """Write an image (H, W, 3) as the address of a JPEG."""
    return _address(Image.fromarray(np.ascontiguousarray(pixels)), "jpeg", quality=quality)


def class_png(label_map: NDArray[np.uint8], palette: NDArray[np.uint8]) -> str:
    """Write a label map (H, W) as the address of a PNG in the colours of its classes."""
    return _address(_with_palette(label_map, palette), "png", optimize=True)


def score_png(ink: NDArray[np.uint8]) -> str:
    """Write what `inks.as_ink` returned as the address of a PNG."""
    return _address(_with_palette(ink, score_palette()), "png", optimize=True)


def _with_palette(indices: NDArray[np.uint8], palette: NDArray[np.uint8]) -> Image.Image:
    """Make a picture of (H, W) indices."""
    picture = Image.fromarray(np.ascontiguousarray(indices))
    picture.putpalette(palette.tobytes())
    return picture


def _fit(shape: tuple[int, ...], width: int) -> tuple[int, int]:
    """Return width and height of at most `width`, in the same proportions."""
    height, full = shape[:2]
    if full <= width:
        return full, height
    return width, max(1, round(height * width / full))


def _address(picture: Image.Image, kind: str, **options: Any) -> str:  # noqa: ANN401
    """Write a picture as a ``data:`` address."""
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _spread(index: int) -> Colour:
    """Choose a colour by number."""
    saturation, value = _SHADES[index % len(_SHADES)]
    red, green, blue = colorsys.hsv_to_rgb(index * _TURN % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
