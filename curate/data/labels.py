"""Read label files: the ids as they were written, never as a picture of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from curate.data.images import broken_file, check_size, read_file
from curate.data.png import Png, parse_png
from curate.data.png_pixels import decode_png
from curate.errors import LabelError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.data.idmaps import IdMap


def read_label_ids(path: Path, id_map: IdMap) -> NDArray[Any]:
    """Read the raw ids of a label file.

    Parameters
    ----------
    path : Path
        A PNG: grey of 1 to 16 bits, with a palette, or in colour.
    id_map : IdMap
        Says what to make of files in colour.

    Returns
    -------
    raw : (H, W) uint8 or uint16, or (H, W, 3) uint8
        Ids (of a palette PNG its indices), or colours where `id_map` has colours.

    Raises
    ------
    LabelError
        With code ``missing_label``, ``unreadable_label`` or ``colour_coded``.
    """
    return pick_ids(decode_label(open_label(read_file(path, "label"), path), path), id_map, path)


def open_label(data: bytearray, path: Path) -> Png:
    """Check size and structure of a label file without decoding it.

    Raises
    ------
    DataError
        With code ``unreadable_label``, ``too_small`` or ``too_large``.
    """
    try:
        png = parse_png(data)
    except ValueError as error:
        raise broken_file(path, "label", f"{error}; labels must be sound PNG files") from error
    check_size(path, png.height, png.width)
    return png


def decode_label(png: Png, path: Path) -> NDArray[Any]:
    """Decode the samples of a label file: (H, W) or (H, W, channels).

    Raises
    ------
    LabelError
        With code ``unreadable_label``.
    """
    try:
        return decode_png(png)
    except ValueError as error:
        raise broken_file(path, "label", str(error)) from error


def pick_ids(samples: NDArray[Any], id_map: IdMap, path: Path) -> NDArray[Any]:
    """Reduce the samples of a label file to ids, or to colours; see `read_label_ids`.

    Raises
    ------
    LabelError
        With code ``colour_coded``, if there is no telling which channel is the id.
    """
    if samples.ndim == 2:
        return samples
    first: NDArray[Any] = samples[..., 0]
    if samples.shape[2] == 2:  # grey and alpha
        return first
    if id_map.colours and samples.dtype == np.uint8:
        return samples[..., :3]
    if id_map.channel == "first" or samples.dtype == np.uint16 or is_grey(samples):
        return first
    msg = (
        f"{path} is in colour, and id map '{id_map.name}' maps ids. If colours stand for classes, "
        f"give --labels a TOML file with a [colours] table; if the id is in the first channel, one "
        f'with channel = "first".'
    )
    raise LabelError(msg, code="colour_coded")


def is_grey(samples: NDArray[Any]) -> bool:
    """Tell whether red, green and blue of (H, W, 3 or 4) samples are equal everywhere."""
    return np.array_equal(samples[..., 0], samples[..., 1]) and np.array_equal(
        samples[..., 0], samples[..., 2]
    )
