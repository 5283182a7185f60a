"""Label files: read the ids as they were written, and write them again with some ignored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.data import containers, images, pictures, png
from curate.data.layouts import patterns
from curate.errors import LabelError
from curate.files.atomic import create_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.data.colours import Colour
    from curate.data.idmaps import IdMap

    OpenedLabel = png.Png | pictures.Picture


def read_label_ids(path: Path, id_map: IdMap) -> NDArray[Any]:
    """Read the raw ids of a label file.

    Parameters
    ----------
    path : Path
        A PNG, TIFF, BMP or lossless WebP: grey of 1 to 16 bits, with a palette, or in colour; or a
        container.
    id_map : IdMap
        Says what to make of files in colour, and with a palette.

    Returns
    -------
    raw : (H, W) uint8 or uint16, or (H, W, 3) uint8
        Ids (of a file with a palette its indices), or colours where `id_map` has colours.

    Raises
    ------
    LabelError
        With code ``missing_label``, ``unreadable_label`` or ``colour_coded``.
    """
    if containers.is_container(path):
        return containers.read_ids(path)
    opened = open_label(images.read_file(path, "label"), path)
    return pick_ids(decode_label(opened, path), id_map, path, opened)


def open_label(data: bytearray, path: Path) -> OpenedLabel:
    """Check size and structure of a label file without decoding it.

    Raises
    ------
    DataError
        With code ``unreadable_label``, ``too_small`` or ``too_large``.
    """
    if pictures.is_lossy(data):
        reason = "it is a WebP compressed with loss, which blends ids; labels must be stored as is"
        raise images.unreadable_file(path, "label", reason)
    try:
        if pictures.is_picture(data):
            opened: OpenedLabel = pictures.open_picture(data)
        else:
            opened = png.parse_png(data)
    except ValueError as error:
        reason = f"{error}; labels must be sound PNG, TIFF or BMP files"
        raise images.unreadable_file(path, "label", reason) from error
    depth = png.pixel_bytes(opened.colour_type, opened.bit_depth)
    if isinstance(opened, pictures.Picture):
        depth = max(depth, opened.least_bytes)
    images.check_size(path, opened.height, opened.width, depth)
    return opened


def decode_label(opened: OpenedLabel, path: Path) -> NDArray[Any]:
    """Decode the samples of a label file: (H, W) or (H, W, channels).

    Raises
    ------
    LabelError
        With code ``unreadable_label``.
    """
    try:
        if isinstance(opened, png.Png):
            return png.decode_png(opened)
        samples = pictures.decode(opened)
    except ValueError as error:
        raise images.unreadable_file(path, "label", str(error)) from error
    if samples.dtype in (np.uint8, np.uint16):
        return samples
    if samples.dtype.kind not in "iu" or samples.min() < 0 or samples.max() > 65535:
        raise images.unreadable_file(path, "label", "its ids are not integers of 0 .. 65535")
    return samples.astype(np.uint16)


def pick_ids(
    samples: NDArray[Any], id_map: IdMap, path: Path, opened: OpenedLabel | None = None
) -> NDArray[Any]:
    """Reduce the samples of a label file to ids, or to colours; see `read_label_ids`.

    A map of colours only is what the user says of files with a palette and in grey, too.

    Raises
    ------
    LabelError
        With code ``colour_coded``, if it is unknown which channel is the id.
    """
    if samples.ndim == 2:
        if opened is None or not looks_up_colours(id_map, samples.dtype == np.uint8):
            return samples
        return show_colours(opened.palette, opened.bit_depth).take(samples, axis=0)
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


def looks_up_colours(id_map: IdMap, is_8_bit: bool) -> bool:
    """Tell whether the colours that grey or a palette shows are looked up, not the ids."""
    return bool(id_map.colours) and not id_map.ids and is_8_bit


def show_colours(palette: NDArray[np.uint8] | None, bit_depth: int) -> NDArray[np.uint8]:
    """Return the colour that each of 256 ids is shown in: (256, 3); white beyond the palette."""
    colours = np.full((256, 3), 255, np.uint8)
    if palette is not None:
        colours[: len(palette)] = palette[:256]
    else:
        count = 2 ** min(bit_depth, 8)
        colours[:count] = (np.arange(count) * (255 // (count - 1))).astype(np.uint8)[:, None]
    return colours


def write_masked_label(
    source_label: Path, target: Path, keep: NDArray[np.bool_], *, id_map: IdMap
) -> None:
    """Copy a label file in its own format, with all pixels ignored that are not kept.

    Read with the same id map, the copy equals the original where `keep`, and is 255 elsewhere.
    Grey of less than 8 bits becomes 8 bits, which its ids do not change by.

    Parameters
    ----------
    target : Path
        File of the same kind, which must not exist.
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
    palette = None if opened.palette is None else _extend(opened.palette)
    if samples.ndim == 2 and looks_up_colours(id_map, samples.dtype == np.uint8):
        shown = show_colours(palette, opened.bit_depth)
        masked, palette = _mask_shown(samples, ~keep, shown, id_map.choose_ignore_colour())
    else:
        masked = _mask(samples, ~keep, id_map)
    create_file(target, _encode(masked, palette, opened, target))


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


def _mask_shown(
    samples: NDArray[Any], drop: NDArray[np.bool_], shown: NDArray[np.uint8], ignored: Colour
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Set the pixels to drop to an index that is shown in an ignored colour; give the palette."""
    masked = samples.copy()
    same = np.flatnonzero((shown == np.array(ignored, np.uint8)).all(axis=1))
    free = np.setdiff1d(np.arange(256), samples)
    index = int(same[0]) if len(same) else int(free[-1]) if len(free) else 255
    palette = shown.copy()
    palette[index] = ignored
    masked[drop] = index
    return masked, palette


def _encode(
    masked: NDArray[Any], palette: NDArray[np.uint8] | None, opened: OpenedLabel, target: Path
) -> bytes:
    """Write a label as the kind of file that it was."""
    suffix = target.suffix.lower().removeprefix(".")
    if isinstance(opened, png.Png) or suffix not in patterns.LABEL_SUFFIXES[1:]:
        return png.encode_png(masked, palette=palette)
    try:
        return pictures.encode_like(replace(opened, palette=palette), masked, suffix)
    except ValueError as error:
        raise images.unreadable_file(target, "label", str(error)) from error


def _extend(palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give a palette all 256 colours, so that any index is valid."""
    full = np.full((256, 3), 255, np.uint8)
    full[: len(palette)] = palette
    return full
