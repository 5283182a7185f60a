"""Read the files of a data set into memory, and images into tensors."""

from __future__ import annotations

import stat
import warnings
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import torch
from PIL.JpegImagePlugin import JpegImageFile

from curate.data.png import SIGNATURE, Png, parse_png
from curate.data.png_pixels import decode_png
from curate.errors import DataError, LabelError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

What = Literal["image", "label"]

MIN_SIDE_PX: Final = 8
MAX_PIXELS: Final = 2**27
MAX_FILE_BYTES: Final = 2**30
_JPEG_START: Final = b"\xff\xd8\xff"


def read_image(path: Path) -> Tensor:
    """Read a PNG or JPEG file, whatever its mode; the content decides, not the suffix.

    Returns
    -------
    image : (3, H, W) uint8
        16-bit samples are rounded to 8 bits, grey is repeated, alpha is dropped.

    Raises
    ------
    DataError
        With code ``missing_image``, ``unreadable_image``, ``too_small`` or ``too_large``.
    """
    return decode_image(open_image(read_file(path, "image"), path), path)


def open_image(data: bytearray, path: Path) -> Png | JpegImageFile:
    """Check size and structure of an image without decoding it.

    Raises
    ------
    DataError
        As `read_image`.
    """
    try:
        opened = parse_png(data) if data.startswith(SIGNATURE) else _open_jpeg(data)
    except ValueError as error:
        raise broken_file(path, "image", str(error)) from error
    check_size(path, opened.height, opened.width)
    return opened


def decode_image(opened: Png | JpegImageFile, path: Path) -> Tensor:
    """Decode what `open_image` returned: (3, H, W) uint8.

    Raises
    ------
    DataError
        With code ``unreadable_image``.
    """
    try:
        rgb = _decode_png(opened) if isinstance(opened, Png) else _decode_jpeg(opened)
    except ValueError as error:
        raise broken_file(path, "image", str(error)) from error
    return torch.from_numpy(rgb).permute(2, 0, 1)


def read_file(path: Path, what: What) -> bytearray:
    """Read a whole file.

    Raises
    ------
    DataError or LabelError
        With code ``missing_..``, ``unreadable_..`` or ``too_large``.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise broken_file(path, what, "it is no ordinary file")
        if status.st_size > MAX_FILE_BYTES:
            msg = (
                f"{path} has {status.st_size:,} bytes, more than {MAX_FILE_BYTES:,}. Leave it out."
            )
            raise _error(what)(msg, code="too_large")
        data = bytearray(path.read_bytes())
    except FileNotFoundError:
        msg = f"{path} does not exist, or is a link to nothing. Bring it back, or leave it out."
        raise _error(what)(msg, code=f"missing_{what}") from None
    except OSError as error:
        raise broken_file(path, what, str(error.strerror)) from error
    if not data:
        raise broken_file(path, what, "it is empty")
    return data


def check_size(path: Path, height: int, width: int) -> None:
    """Refuse images that are too small or too large.

    Raises
    ------
    DataError
        With code ``too_small`` or ``too_large``.
    """
    if min(height, width) < MIN_SIDE_PX:
        msg = f"{path} is {height}x{width} pixels; both sides need {MIN_SIDE_PX}. Leave it out."
        raise DataError(msg, code="too_small")
    if height * width > MAX_PIXELS:
        msg = f"{path} is {height}x{width}, more than {MAX_PIXELS:,} pixels. Cut it into tiles."
        raise DataError(msg, code="too_large")


def broken_file(path: Path, what: What, reason: str) -> DataError:
    """Make the error for a file that cannot be read."""
    msg = f"{path} cannot be read: {reason}. Fetch or make it anew, or leave it out."
    return _error(what)(msg, code=f"unreadable_{what}")


def _error(what: What) -> type[DataError]:
    """Return the class of errors about images or labels."""
    return LabelError if what == "label" else DataError


def _open_jpeg(data: bytearray) -> JpegImageFile:
    """Read the header; Pillow's class itself, because `check_size` is the limit of pixels."""
    if not data.startswith(_JPEG_START):
        msg = "it is neither a PNG nor a JPEG file"
        raise ValueError(msg)
    try:
        with warnings.catch_warnings(action="ignore"):  # of EXIF that is damaged
            return JpegImageFile(BytesIO(data))
    except (SyntaxError, OSError) as error:
        msg = f"its JPEG header is damaged or cut off ({error})"
        raise ValueError(msg) from error


def _decode_jpeg(jpeg: JpegImageFile) -> NDArray[np.uint8]:
    """Decode to (H, W, 3) uint8, grey repeated and CMYK converted."""
    try:
        return np.array(jpeg if jpeg.mode == "RGB" else jpeg.convert("RGB"))
    except OSError as error:
        msg = f"it is damaged or cut off ({error})"
        raise ValueError(msg) from error


def _decode_png(png: Png) -> NDArray[np.uint8]:
    """Decode a PNG of any mode to (H, W, 3) uint8."""
    samples = decode_png(png)
    if png.palette is not None:
        colours = np.zeros((256, 3), np.uint8)
        colours[: len(png.palette)] = png.palette
        samples = colours[samples]
    elif png.bit_depth == 16:
        samples = ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    elif png.bit_depth < 8:
        samples = samples * np.uint8(255 // (2**png.bit_depth - 1))
    return _as_rgb(samples)


def _as_rgb(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Repeat grey and drop alpha: (H, W) or (H, W, 2 to 4) -> (H, W, 3)."""
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.shape[2] < 3:
        return np.repeat(samples[..., :1], 3, axis=2)
    return samples[..., :3].copy()
