"""Read the files of a data set into memory, and decode images."""

from __future__ import annotations

import stat
import warnings
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from curate import records, remote
from curate.data import pictures, png, shards
from curate.errors import DataError, LabelError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

FileKind = Literal["image", "label"]

MIN_SIDE_PX: Final = 8
MAX_AREA_PX: Final = 2**27
MAX_BYTES: Final = 2**29
"""Largest size of a file, and of the samples that it decodes to."""
_MAX_SCANS: Final = 100
_BLOCK_ROWS: Final = 64
_JPEG_START: Final = b"\xff\xd8\xff"
_JPEG_SCAN: Final = b"\xff\xda"


@dataclass(frozen=True, slots=True)
class OpenedImage:
    """An image file whose structure was checked and whose pixels were not decoded.

    Attributes
    ----------
    height, width : int
        As displayed: with the EXIF orientation applied.
    bit_depth : int
        Bits a sample.
    orientation : int
        EXIF orientation, 1 = upright.
    """

    height: int
    width: int
    bit_depth: int
    orientation: int
    content: png.Png | JpegImageFile | pictures.Picture

    @property
    def pixel_bytes(self) -> int:
        """Bytes that the samples of a pixel take when they are decoded."""
        content = self.content
        if isinstance(content, JpegImageFile):
            return len(content.getbands())
        own = png.pixel_bytes(content.colour_type, self.bit_depth)
        return max(own, content.least_bytes) if isinstance(content, pictures.Picture) else own


def open_image(data: bytearray, path: Path) -> OpenedImage:
    """Check size and structure of an image file without decoding it.

    The content decides what kind of file it is, not the suffix.

    Raises
    ------
    DataError
        With code ``unreadable_image``, ``too_small`` or ``too_large``.
    """
    try:
        opened = _open(data)
    except ValueError as error:
        raise unreadable_file(path, "image", str(error)) from error
    check_size(path, opened.height, opened.width, opened.pixel_bytes)
    return opened


def decode_image(
    opened: OpenedImage,
    path: Path,
    value_range: tuple[float, float] | None = None,
    least_px: int = 0,
) -> NDArray[np.uint8]:
    """Decode what `open_image` returned: (H, W, 3) uint8, upright.

    Grey is repeated, alpha is dropped.

    Parameters
    ----------
    value_range : (float, float) or None
        What becomes 0 and 255 in files of more than 8 bits; None = all that the bits can hold.
    least_px : int
        Unless 0, the image may be smaller, as by `decode_reduced`, with sides of at least this.

    Raises
    ------
    DataError
        With code ``unreadable_image``.
    """
    if least_px:
        small = decode_reduced(opened, path, value_range, least_px=least_px, in_colour=True)
        return as_rgb(small)
    samples = read_samples(opened, path)
    if samples.dtype != np.uint8:
        low, high = full_range(samples.dtype) if value_range is None else value_range
        samples = scale(samples, low, high)
    return as_rgb(samples)


def decode_reduced(
    opened: OpenedImage,
    path: Path,
    value_range: tuple[float, float] | None = None,
    *,
    least_px: int,
    in_colour: bool = False,
) -> NDArray[np.uint8]:
    """Decode an image to look at, smaller where its format makes that faster.

    Returns
    -------
    pixels : (H', W') or (H', W', 3) uint8
        Upright; a PNG of 8 bits reduced by whole steps; a JPEG in grey, unless `in_colour`, with
        sides of a half, a quarter or an eighth of the original's; both of at least `least_px`. All
        of the file is decoded, as by `decode_image`.

    Raises
    ------
    DataError
        With code ``unreadable_image``.
    """
    content, small = opened.content, None
    scale = next((s for s in (8, 4, 2) if min(opened.height, opened.width) >= s * least_px), None)
    try:
        if isinstance(content, png.Png):
            small = png.reduce_png(content, least_px)
        elif isinstance(content, JpegImageFile) and content.mode in ("L", "RGB") and scale:
            small = _decode_jpeg(content, scale, "RGB" if in_colour else "L")
    except ValueError as error:
        raise unreadable_file(path, "image", str(error)) from error
    if small is None:
        return decode_image(opened, path, value_range)
    return pictures.turn(small, opened.orientation)


def read_samples(opened: OpenedImage, path: Path) -> NDArray[Any]:
    """Decode to samples, upright: 8 bits a channel, or what a file of more bits holds.

    Raises
    ------
    DataError
        With code ``unreadable_image``.
    """
    try:
        if isinstance(opened.content, png.Png):
            return pictures.turn(_decode_png(opened.content), opened.orientation)
        if isinstance(opened.content, JpegImageFile):
            return pictures.turn(_decode_jpeg(opened.content), opened.orientation)
        samples = pictures.decode(opened.content)
    except ValueError as error:
        raise unreadable_file(path, "image", str(error)) from error
    if opened.content.palette is not None:
        return _look_up(samples, opened.content.palette)
    return samples * np.uint8(255) if opened.bit_depth == 1 else samples


def full_range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Tell the lowest and highest value of samples: of integers all, of fractions 0 and 1."""
    if dtype.kind in "iu":
        return (0.0, float(np.iinfo(dtype).max))
    return (0.0, 1.0)


def scale(samples: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Bring `low` .. `high` to 0 .. 255, rounded; what lies outside is cut off.

    Some rows at a time: the numbers in between take eight times the memory.
    """
    scaled = np.empty(samples.shape, np.uint8)
    for first in range(0, len(samples), _BLOCK_ROWS):
        rows = slice(first, first + _BLOCK_ROWS)
        exact = np.nan_to_num(samples[rows].astype(np.float64))
        scaled[rows] = ((exact - low) * (255 / (high - low)) + 0.5).clip(0, 255)
    return scaled


def begin_reading(root: Path, pairs: Iterable[records.Pair]) -> None:
    """Begin to read the files of some pairs where they are remote: `read_file` takes them then."""
    if not isinstance(root, remote.RemotePath):
        return
    for pair in pairs:
        if pair.status == records.OK:
            paths: dict[FileKind, Path] = {
                "image": root / pair.image_path, "label": root / pair.label_path
            }  # fmt: skip
            for kind, path in paths.items():
                remote.begin_reading((kind, path), partial(_read_file, path, kind))


def read_file(path: Path, kind: FileKind) -> bytearray:
    """Read a file into memory.

    Raises
    ------
    DataError or LabelError
        With code ``missing_..``, ``unreadable_..`` or ``too_large``.
    StoreError
        If a store does not answer.
    """
    begun = remote.take_reading((kind, path)) if isinstance(path, remote.RemotePath) else None
    return _read_file(path, kind) if begun is None else begun.result()


def _read_file(path: Path, kind: FileKind) -> bytearray:
    """Read a file now."""
    try:
        if shards.is_inside(path.as_posix()) and (found := shards.find(path)):
            return _read_member(path, found, kind)
        if not isinstance(path, remote.RemotePath) or path.is_listed():
            _check_file(path, kind)  # which takes one more request for what is not listed
        data = bytearray(path.read_bytes())
    except FileNotFoundError:
        msg = f"{path} does not exist, or is a link to nothing. Bring it back, or leave it out."
        raise _error_class(kind)(msg, code=f"missing_{kind}") from None
    except OSError as error:
        raise unreadable_file(path, kind, str(error.strerror)) from error
    if not data:
        raise unreadable_file(path, kind, "it is empty")
    return data


def _check_file(path: Path, kind: FileKind) -> None:
    """Refuse what is no ordinary file, or has too many bytes."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise unreadable_file(path, kind, "it is no ordinary file")
    if status.st_size > MAX_BYTES:
        msg = f"{path} has {status.st_size:,} bytes, more than {MAX_BYTES:,}. Leave it out."
        raise _error_class(kind)(msg, code="too_large")


def _read_member(path: Path, found: tuple[Path, str], kind: FileKind) -> bytearray:
    """Read a member of a shard into memory."""
    data = shards.read(*found)
    if len(data) > MAX_BYTES:
        msg = f"{path} has {len(data):,} bytes, more than {MAX_BYTES:,}. Leave it out."
        raise _error_class(kind)(msg, code="too_large")
    if not data:
        raise unreadable_file(path, kind, "it is empty")
    return bytearray(data)


def check_size(path: Path, height: int, width: int, pixel_bytes: int = 1) -> None:
    """Refuse images that are too small or too large.

    Parameters
    ----------
    pixel_bytes : int
        Bytes that the samples of a pixel take when they are decoded.

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
    if height * width * pixel_bytes > MAX_BYTES:
        msg = (
            f"{path} is {height}x{width} pixels of {pixel_bytes} bytes each, more than "
            f"{MAX_BYTES:,} bytes. Cut it into tiles."
        )
        raise DataError(msg, code="too_large")


def unreadable_file(path: Path, kind: FileKind, reason: str) -> DataError:
    """Make the error for a file that cannot be read."""
    msg = f"{path} cannot be read: {reason}. Fetch or make it anew, or leave it out."
    return _error_class(kind)(msg, code=f"unreadable_{kind}")


def _error_class(kind: FileKind) -> type[DataError]:
    """Return the class of errors about images or labels."""
    return LabelError if kind == "label" else DataError


def _open(data: bytearray) -> OpenedImage:
    """Read the header of a file of any kind."""
    if data.startswith(png.SIGNATURE):
        opened = png.parse_png(data)
        orientation = pictures.parse_orientation(opened.exif) if opened.exif else 1
        size, bits = (opened.height, opened.width), opened.bit_depth
        return _upright(*size, bits, orientation, opened)
    if pictures.is_picture(data):
        picture = pictures.open_picture(data)
        return OpenedImage(
            picture.height, picture.width, picture.bit_depth, picture.orientation, picture
        )
    jpeg = _open_jpeg(data)
    return _upright(jpeg.height, jpeg.width, 8, pictures.read_orientation(jpeg), jpeg)


def _upright(
    height: int, width: int, bits: int, orientation: int, content: png.Png | JpegImageFile
) -> OpenedImage:
    """Give an opened file the size that it has when it is displayed."""
    if orientation >= 5:
        height, width = width, height
    return OpenedImage(height, width, bits, orientation, content)


def _open_jpeg(data: bytearray) -> JpegImageFile:
    """Read the header; Pillow's class itself, because `check_size` is the limit of pixels."""
    if not data.startswith(_JPEG_START):
        msg = "it is neither a PNG, JPEG, TIFF, BMP nor WebP file"
        raise ValueError(msg)
    if data.count(_JPEG_SCAN) > _MAX_SCANS:  # within the pixels this pair of bytes cannot occur
        msg = f"it has more than {_MAX_SCANS} scans, made to take hours"
        raise ValueError(msg)
    try:
        with warnings.catch_warnings(action="ignore"):  # of EXIF that is damaged
            return JpegImageFile(BytesIO(data))
    except (SyntaxError, OSError) as error:
        msg = f"its JPEG header is damaged or cut off ({error})"
        raise ValueError(msg) from error


def _decode_jpeg(
    jpeg: JpegImageFile, scale: int | None = None, small_mode: str = "L"
) -> NDArray[np.uint8]:
    """Decode to (H, W, 3) uint8, grey repeated and CMYK converted; with a scale as it says.

    Not by ``jpeg.load()``, which lets files pass that are cut off if any package in the process
    has set Pillow's ``LOAD_TRUNCATED_IMAGES``.
    """
    mode, raw_mode = ("CMYK", "CMYK;I") if jpeg.mode == "CMYK" else ("RGB", "RGB")
    try:
        with cast("BytesIO", jpeg.fp).getbuffer() as data:
            if scale is not None:
                size = (-(-jpeg.width // scale), -(-jpeg.height // scale))
                how = "jpeg", small_mode, "", scale, 1
                return np.array(Image.frombytes(small_mode, size, data, *how))
            image = Image.frombytes(mode, jpeg.size, data, "jpeg", raw_mode, "")
    except ValueError as error:
        msg = f"it is damaged or cut off ({error})"
        raise ValueError(msg) from error
    return np.array(image if mode == "RGB" else image.convert("RGB"))


def _decode_png(opened: png.Png) -> NDArray[Any]:
    """Decode a PNG of any mode to 8-bit samples, or to its own of 16 bits."""
    samples = png.decode_png(opened)
    if opened.palette is not None:
        return _look_up(samples, opened.palette)
    if opened.bit_depth < 8:
        return samples * np.uint8(255 // (2**opened.bit_depth - 1))
    return samples


def _look_up(samples: NDArray[Any], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Look up the colours of palette indices."""
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = palette[:256]
    return colours.take(samples, axis=0)


def as_rgb(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Repeat grey and drop alpha: (H, W) or (H, W, 2 to 4) -> (H, W, 3)."""
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.shape[2] < 3:
        return np.repeat(samples[..., :1], 3, axis=2)
    return samples[..., :3].copy()
