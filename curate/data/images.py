"""Read the files of a data set into memory, and decode images."""

from __future__ import annotations

import stat
import warnings
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from curate.data import png
from curate.errors import DataError, LabelError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FileKind = Literal["image", "label"]

MIN_SIDE_PX: Final = 8
MAX_AREA_PX: Final = 2**27
MAX_FILE_BYTES: Final = 2**30
_JPEG_START: Final = b"\xff\xd8\xff"


def open_image(data: bytearray, path: Path) -> png.Png | JpegImageFile:
    """Check size and structure of a PNG or JPEG file without decoding it.

    The content decides which of them it is, not the suffix.

    Raises
    ------
    DataError
        With code ``unreadable_image``, ``too_small`` or ``too_large``.
    """
    try:
        opened = png.parse_png(data) if data.startswith(png.SIGNATURE) else _open_jpeg(data)
    except ValueError as error:
        raise unreadable_file(path, "image", str(error)) from error
    check_size(path, opened.height, opened.width)
    return opened


def decode_image(opened: png.Png | JpegImageFile, path: Path) -> NDArray[np.uint8]:
    """Decode what `open_image` returned: (H, W, 3) uint8.

    16-bit samples are rounded to 8 bits, grey is repeated, alpha is dropped.

    Raises
    ------
    DataError
        With code ``unreadable_image``.
    """
    try:
        return _decode_png(opened) if isinstance(opened, png.Png) else _decode_jpeg(opened)
    except ValueError as error:
        raise unreadable_file(path, "image", str(error)) from error


def read_file(path: Path, kind: FileKind) -> bytearray:
    """Read a file into memory.

    Raises
    ------
    DataError or LabelError
        With code ``missing_..``, ``unreadable_..`` or ``too_large``.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise unreadable_file(path, kind, "it is no ordinary file")
        if status.st_size > MAX_FILE_BYTES:
            msg = (
                f"{path} has {status.st_size:,} bytes, more than {MAX_FILE_BYTES:,}. Leave it out."
            )
            raise _error_class(kind)(msg, code="too_large")
        data = bytearray(path.read_bytes())
    except FileNotFoundError:
        msg = f"{path} does not exist, or is a link to nothing. Bring it back, or leave it out."
        raise _error_class(kind)(msg, code=f"missing_{kind}") from None
    except OSError as error:
        raise unreadable_file(path, kind, str(error.strerror)) from error
    if not data:
        raise unreadable_file(path, kind, "it is empty")
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
    if height * width > MAX_AREA_PX:
        msg = f"{path} is {height}x{width}, more than {MAX_AREA_PX:,} pixels. Cut it into tiles."
        raise DataError(msg, code="too_large")


def unreadable_file(path: Path, kind: FileKind, reason: str) -> DataError:
    """Make the error for a file that cannot be read."""
    msg = f"{path} cannot be read: {reason}. Fetch or make it anew, or leave it out."
    return _error_class(kind)(msg, code=f"unreadable_{kind}")


def _error_class(kind: FileKind) -> type[DataError]:
    """Return the class of errors about images or labels."""
    return LabelError if kind == "label" else DataError


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
    """Decode to (H, W, 3) uint8, grey repeated and CMYK converted.

    Not by ``jpeg.load()``, which lets files pass that are cut off if any package in the process
    has set Pillow's ``LOAD_TRUNCATED_IMAGES``.
    """
    mode, raw_mode = ("CMYK", "CMYK;I") if jpeg.mode == "CMYK" else ("RGB", "RGB")
    data = cast("BytesIO", jpeg.fp).getbuffer()
    try:
        image = Image.frombytes(mode, jpeg.size, data, "jpeg", raw_mode, "")
    except ValueError as error:
        msg = f"it is damaged or cut off ({error})"
        raise ValueError(msg) from error
    return np.array(image if mode == "RGB" else image.convert("RGB"))


def _decode_png(opened: png.Png) -> NDArray[np.uint8]:
    """Decode a PNG of any mode to (H, W, 3) uint8."""
    samples = png.decode_png(opened)
    if opened.palette is not None:
        colours = np.zeros((256, 3), np.uint8)
        colours[: len(opened.palette)] = opened.palette
        samples = colours[samples]
    elif opened.bit_depth == 16:
        samples = ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    elif opened.bit_depth < 8:
        samples = samples * np.uint8(255 // (2**opened.bit_depth - 1))
    return _as_rgb(samples)


def _as_rgb(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Repeat grey and drop alpha: (H, W) or (H, W, 2 to 4) -> (H, W, 3)."""
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.shape[2] < 3:
        return np.repeat(samples[..., :1], 3, axis=2)
    return samples[..., :3].copy()
