"""Label files: read the ids as they were written, and write them again with some ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from curate.data import images, png
from curate.errors import LabelError
from curate.files.atomic import create_file

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
    opened = open_label(images.read_file(path, "label"), path)
    return pick_ids(decode_label(opened, path), id_map, path)


def open_label(data: bytearray, path: Path) -> png.Png:
    """Check size and structure of a label file without decoding it.

    Raises
    ------
    DataError
        With code ``unreadable_label``, ``too_small`` or ``too_large``.
    """
    try:
        opened = png.parse_png(data)
    except ValueError as error:
        reason = f"{error}; labels must be sound PNG files"
        raise images.unreadable_file(path, "label", reason) from error
    images.check_size(path, opened.height, opened.width)
    return opened


def decode_label(opened: png.Png, path: Path) -> NDArray[Any]:
    """Decode the samples of a label file: (H, W) or (H, W, channels).

    Raises
    ------
    LabelError
        With code ``unreadable_label``.
    """
    try:
        return png.decode_png(opened)
    except ValueError as error:
        raise images.unreadable_file(path, "label", str(error)) from error


def pick_ids(samples: NDArray[Any], id_map: IdMap, path: Path) -> NDArray[Any]:
    """Reduce the samples of a label file to ids, or to colours; see `read_label_ids`.

    Raises
    ------
    LabelError
        With code ``colour_coded``, if it is unknown which channel is the id.
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
        f"the id map must be a TOML file with a [colours] table; if the first channel is the id, "
        f'one with channel = "first".'
    )
    raise LabelError(msg, code="colour_coded")


def write_masked_label(
    source_label: Path, target: Path, keep: NDArray[np.bool_], *, id_map: IdMap
) -> None:
    """Copy a label file in its own format, with all pixels ignored that are not kept.

    Read with the same id map, the copy equals the original where `keep`, and is 255 elsewhere.
    Grey of less than 8 bits becomes 8 bits, which its ids do not change by.

    Parameters
    ----------
    target : Path
        PNG file, which must not exist.
    keep : (H, W) bool

    Raises
    ------
    LabelError
        If the label cannot be read, has another size, or `id_map` ignores no id or colour.
    StoreError
        If something is at `target`, or the file cannot be written.
    """
    opened = open_label(images.read_file(source_label, "label"), source_label)
    samples = decode_label(opened, source_label)
    if keep.shape != samples.shape[:2]:
        msg = f"{source_label} is {samples.shape[:2]} pixels, the mask for it {keep.shape}."
        raise LabelError(msg, code="size_mismatch")
    masked = _mask(samples, ~keep, id_map)
    palette = None if opened.palette is None else _extend(opened.palette)
    create_file(target, png.encode_png(masked, palette=palette))


def is_grey(samples: NDArray[Any]) -> bool:
    """Tell whether red, green and blue of (H, W, 3 or 4) samples are equal everywhere."""
    return np.array_equal(samples[..., 0], samples[..., 1]) and np.array_equal(
        samples[..., 0], samples[..., 2]
    )


def _mask(samples: NDArray[Any], drop: NDArray[np.bool_], id_map: IdMap) -> NDArray[Any]:
    """Set the pixels to drop to what `id_map` ignores, in the channels that it reads."""
    masked = samples.copy()
    if samples.ndim == 2:
        masked[drop] = id_map.choose_ignore_id()
    elif samples.shape[2] == 2:
        masked[drop, 0] = id_map.choose_ignore_id()
    elif id_map.colours and samples.dtype == np.uint8:
        masked[drop, :3] = id_map.choose_ignore_colour()
    elif id_map.channel == "auto" and is_grey(samples):
        masked[drop, :3] = id_map.choose_ignore_id()
    else:
        masked[drop, 0] = id_map.choose_ignore_id()
    return masked


def _extend(palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give a palette all 256 colours, so that any index is valid."""
    full = np.full((256, 3), 255, np.uint8)
    full[: len(palette)] = palette
    return full
