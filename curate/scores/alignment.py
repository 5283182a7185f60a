"""Score maps read in the pixels of what a trainer made of an image: cropped, flipped, resized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curate.errors import UsageError


@dataclass(frozen=True, slots=True)
class Axis:
    """The output pixels along one axis of an image.

    Attributes
    ----------
    length : int
        Pixels of the original image.
    stride : int
        Pixels of the original image a cell; the last cell may be cut off by the image's edge.
    start, extent : int
        First pixel of the crop, and how many it has.
    size : int
        Pixels of the output, which the crop is resized to.
    """

    length: int
    stride: int
    start: int
    extent: int
    size: int


def align_scores(
    cells: NDArray[np.uint8],
    height: int,
    width: int,
    stride: int,
    scale: float = 1.0,
    *,
    size: tuple[int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    hflip: bool = False,
    resize: str = "nearest",
) -> NDArray[np.float32]:
    """Read the score of each pixel of a crop of an image that was resized, then flipped.

    Parameters
    ----------
    cells : (ceil(height/stride), ceil(width/stride)) uint8
        Score, or weight, of each cell, 255 being the largest one.
    height, width, stride : int
        Of the original image; pixels a cell.
    scale : float
        What 255 stands for.
    size, crop, hflip, resize
        As of `curate.ScoreFile.score_map`; `resize` is a key of `RESIZES`.

    Returns
    -------
    scores : size, float32
        In [0, scale].

    Raises
    ------
    UsageError
        If the crop is empty or reaches beyond the image, or `size` or `resize` makes no sense.

    Notes
    -----
    Pixel i of an axis covers [i, i + 1), its centre is i + 1/2. Output pixel i of `size` pixels
    takes the score at ``start + (i + 1/2) * extent / size`` of the original image. ``nearest``
    gives it that of the cell the position lies in, ``floor(position / stride)``. ``bilinear``
    interpolates between the cells' centres, ``(begin + min(begin + stride, length)) / 2``, and is
    constant beyond the outermost ones.

    Examples
    --------
    Two cells of 2 pixels over an image of 1x3: the second is cut off by the edge.

    >>> cells = np.array([[0, 255]], np.uint8)
    >>> align_scores(cells, height=1, width=3, stride=2).tolist()
    [[0.0, 0.0, 1.0]]
    >>> align_scores(cells, height=1, width=3, stride=2, crop=(0, 1, 1, 2), hflip=True).tolist()
    [[1.0, 0.0]]
    """
    if resize not in RESIZES:
        msg = f"resize={resize!r} is not known: use one of {', '.join(RESIZES)}."
        raise UsageError(msg)
    top, left, crop_height, crop_width = _checked_crop(crop, height, width)
    out_height, out_width = (crop_height, crop_width) if size is None else size
    if min(out_height, out_width) < 1:
        msg = f"size={size} holds no pixel: give a height and a width from 1."
        raise UsageError(msg)
    rows = Axis(height, stride, top, crop_height, out_height)
    columns = Axis(width, stride, left, crop_width, out_width)
    return RESIZES[resize](cells, scale, rows, columns, hflip)


def align_labels(
    label_map: NDArray[np.uint8],
    *,
    size: tuple[int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    hflip: bool = False,
) -> NDArray[np.uint8]:
    """Read the label of each pixel of a crop of an image that was resized, then flipped.

    Each output pixel takes the label at its centre, as `align_scores` does with ``nearest``.

    Examples
    --------
    >>> align_labels(np.array([[1, 2, 255]], np.uint8), crop=(0, 1, 1, 2), hflip=True).tolist()
    [[255, 2]]
    """
    height, width = label_map.shape
    top, left, crop_height, crop_width = _checked_crop(crop, height, width)
    out_height, out_width = (crop_height, crop_width) if size is None else size
    y = _cells_at(Axis(height, 1, top, crop_height, out_height))
    x = _cells_at(Axis(width, 1, left, crop_width, out_width))
    return label_map[np.ix_(y, x[::-1] if hflip else x)]


def _checked_crop(
    crop: tuple[int, int, int, int] | None, height: int, width: int
) -> tuple[int, int, int, int]:
    """Refuse a crop that is not inside the image."""
    top, left, crop_height, crop_width = crop or (0, 0, height, width)
    is_inside = 0 <= top <= height - crop_height and 0 <= left <= width - crop_width
    if not is_inside or min(crop_height, crop_width) < 1:
        msg = (
            f"crop={crop} is not inside an image of {height}x{width}: give top, left, height and "
            "width in its pixels, and pad the scores as the image is padded."
        )
        raise UsageError(msg)
    return top, left, crop_height, crop_width


def _to_values(cells: NDArray[np.uint8], scale: float) -> NDArray[np.float32]:
    """Spell out stored values."""
    values = np.divide(cells, np.float32(255), dtype=np.float32)
    return values if scale == 1 else values * np.float32(scale)


def _nearest(
    cells: NDArray[np.uint8], scale: float, rows: Axis, columns: Axis, hflip: bool
) -> NDArray[np.float32]:
    """Take the cell that each position lies in."""
    y = _cells_at(rows)
    used = cells[y[0] : y[-1] + 1]
    if columns.size == columns.extent:
        scores = _spell_out_rows(used, scale, columns, hflip)
    else:
        x = _cells_at(columns)
        scores = _to_values(used, scale).take(x[::-1] if hflip else x, axis=1)
    return np.asarray(scores.take(y - y[0], axis=0))


def _spell_out_rows(
    cells: NDArray[np.uint8], scale: float, columns: Axis, hflip: bool
) -> NDArray[np.float32]:
    """Repeat each cell over its pixels across, which are looked up all at once."""
    stride, end = columns.stride, columns.start + columns.extent
    first, last = columns.start // stride, -(-end // stride)
    left, right = columns.start - first * stride, last * stride - end
    used = cells[:, first:last]
    if hflip:
        used, left, right = used[:, ::-1], right, left
    scores = _tabulate(scale, stride).take(used).view(np.float32)
    return scores[:, left : scores.shape[1] - right]


@lru_cache(maxsize=16)
def _tabulate(scale: float, stride: int) -> NDArray[np.void]:
    """Spell out every value that is stored, `stride` times in one element."""
    values = _to_values(np.arange(256, dtype=np.uint8), scale)
    return np.repeat(values, stride).view(f"V{values.itemsize * stride}")


def _cells_at(axis: Axis) -> NDArray[np.int64]:
    """Find the cell at each output pixel, in whole numbers, so that no rounding errs."""
    if axis.size == axis.extent:  # not resized: the centres of the pixels themselves
        return np.arange(axis.start, axis.start + axis.extent) // axis.stride
    twice_size = 2 * axis.size
    odd = np.arange(1, twice_size, 2)
    return (odd * axis.extent + axis.start * twice_size) // (twice_size * axis.stride)


def _bilinear(
    cells: NDArray[np.uint8], scale: float, rows: Axis, columns: Axis, hflip: bool
) -> NDArray[np.float32]:
    """Interpolate between the centres of the cells."""
    y, down = _neighbours(rows)
    x, right = _neighbours(columns)
    if hflip:
        x, right = x[::-1], right[::-1]
    down = down[:, None]
    first = y[0]
    scores = _to_values(cells[first : min(y[-1] + 2, len(cells))], scale)
    across = scores.take(x, axis=1) * (1 - right)
    across += scores.take(np.minimum(x + 1, cells.shape[1] - 1), axis=1) * right
    upper = across.take(y - first, axis=0)
    lower = across.take(np.minimum(y + 1 - first, len(across) - 1), axis=0)
    return np.asarray(upper + (lower - upper) * down)


def _neighbours(axis: Axis) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the cell before each output pixel, and how far that is on its way to the next."""
    begins = np.arange(0, axis.length, axis.stride)
    centres = (begins + np.minimum(begins + axis.stride, axis.length)) / 2
    positions = axis.start + (np.arange(axis.size) + 0.5) * axis.extent / axis.size
    place = np.interp(positions, centres, np.arange(len(centres)))
    before = place.astype(np.int64)
    return before, (place - before).astype(np.float32)


Resize = Callable[[NDArray[np.uint8], float, Axis, Axis, bool], NDArray[np.float32]]

RESIZES: Final[dict[str, Resize]] = {
    "nearest": _nearest,
    "bilinear": _bilinear,
}
"""How the score at a position follows from the cells around it."""
