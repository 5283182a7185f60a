"""Write a label again with some of its pixels set to ignore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from curate.data.images import read_file
from curate.data.labels import decode_label, is_grey, open_label
from curate.data.png import encode_png
from curate.errors import LabelError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.data.idmaps import IdMap


def write_masked_label(
    source_label: Path, target: Path, keep: NDArray[np.bool_], *, id_map: IdMap
) -> None:
    """Copy a label file in its own format, with all pixels ignored that are not kept.

    Read with the same id map, the copy equals the original where `keep`, and is 255 elsewhere.
    Grey of less than 8 bits becomes 8 bits, which its ids do not change by.

    Parameters
    ----------
    target : Path
        PNG file, replaced in one step if it exists.
    keep : (H, W) bool

    Raises
    ------
    LabelError
        If the label cannot be read, has another size, or `id_map` ignores no id or colour.
    StoreError
        If the file cannot be written.
    """
    png = open_label(read_file(source_label, "label"), source_label)
    samples = decode_label(png, source_label)
    if keep.shape != samples.shape[:2]:
        msg = f"{source_label} is {samples.shape[:2]} pixels, the mask for it {keep.shape}."
        raise LabelError(msg, code="size_mismatch")
    masked = _mask(samples, ~keep, id_map)
    palette = None if png.palette is None else _extend(png.palette)
    _write(target, encode_png(masked, palette=palette))


def _mask(samples: NDArray[Any], drop: NDArray[np.bool_], id_map: IdMap) -> NDArray[Any]:
    """Set the pixels to drop to what `id_map` ignores, in the channels that it reads."""
    masked = samples.copy()
    if samples.ndim == 2:
        masked[drop] = id_map.ignore_id()
    elif samples.shape[2] == 2:
        masked[drop, 0] = id_map.ignore_id()
    elif id_map.colours and samples.dtype == np.uint8:
        masked[drop, :3] = id_map.ignore_colour()
    elif id_map.channel == "auto" and is_grey(samples):
        masked[drop, :3] = id_map.ignore_id()
    else:
        masked[drop, 0] = id_map.ignore_id()
    return masked


def _extend(palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give a palette all 256 colours, so that any index is valid."""
    full = np.full((256, 3), 255, np.uint8)
    full[: len(palette)] = palette
    return full


def _write(target: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        msg = f"{target} cannot be written: {error.strerror}. Make room, or choose another folder."
        raise StoreError(msg) from error
