"""TIFF, BMP and WebP files: their samples as stored, upright as every viewer shows them.

PNG has a reader of its own (`curate.data.png`). Pillow reads the others; TIFF with more than 8
bits in colour is read by tifffile, which comes with scikit-image.
"""

from __future__ import annotations

import logging
import struct
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

_ORIENTATION: Final = 0x0112
_BITS_PER_SAMPLE: Final = 0x0102
_MAX_CHANNELS: Final = 4
_SILENT: Final = logging.NullHandler()
_TIFF_STARTS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_KINDS: Final = {b"BM": BmpImageFile, b"RIFF": WebPImageFile}
_BITS: Final = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I": 32, "F": 32}
_DAMAGED: Final = (
    SyntaxError, OSError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError,
    RuntimeError, struct.error, AttributeError, NotImplementedError, ZeroDivisionError,
    Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow and tifffile raise for files that are damaged."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An opened file; its header was read, its pixels were not.

    Attributes
    ----------
    height, width : int
        As displayed.
    bit_depth : int
        Bits a sample.
    colour_type : int
        In the numbers of PNG: 0 grey, 2 colour, 3 palette, 4 and 6 with alpha.
    palette : (P, 3) uint8 or None
    orientation : int
        EXIF orientation, which `decode` applies; 1 = upright.
    """

    height: int
    width: int
    bit_depth: int
    colour_type: int
    palette: NDArray[np.uint8] | None
    orientation: int
    content: Any

    @property
    def least_bytes(self) -> int:
        """Bytes a pixel that decoding takes at least: of WebP twice four, whatever it holds."""
        return 8 if isinstance(self.content, WebPImageFile) else 1


def is_picture(data: bytes | bytearray) -> bool:
    """Tell by its first bytes whether a file is a TIFF, BMP or WebP."""
    return bytes(data[:4]) in (*_TIFF_STARTS, b"RIFF") or bytes(data[:2]) == b"BM"


def is_lossy(data: bytes | bytearray) -> bool:
    """Tell whether a WebP file was compressed with loss, so that ids in it are not what was."""
    return bytes(data[:4]) == b"RIFF" and b"VP8L" not in bytes(data[12:4096])


def open_picture(data: bytes | bytearray) -> Picture:
    """Read the header.

    Raises
    ------
    ValueError
        Saying what is wrong, if the file is damaged.
    """
    start = bytes(data[:4])
    with _damage("its header is damaged or cut off"):
        if start in _TIFF_STARTS:
            return _open_tiff(data)
        return _from_pillow(_KINDS[start if start == b"RIFF" else start[:2]](BytesIO(data)))


def decode(picture: Picture) -> NDArray[Any]:
    """Decode to the samples that are stored, upright: (H, W) or (H, W, channels).

    Raises
    ------
    ValueError
        If the pixels are damaged.
    """
    with _damage("its pixels are damaged or cut off"):
        if not isinstance(picture.content, Image.Image):
            samples = _in_channels_last(picture.content.pages[0].asarray())
            return _check_shape(turn(samples, picture.orientation), picture)
        picture.content.load()
        samples = np.asarray(picture.content)
    if samples.dtype == np.bool_:
        samples = samples.astype(np.uint8)
    is_turned = isinstance(picture.content, TiffImageFile)  # which Pillow does as it loads
    return _check_shape(samples if is_turned else turn(samples, picture.orientation), picture)


def _check_shape(samples: NDArray[Any], picture: Picture) -> NDArray[Any]:
    """Refuse samples that are no image of the size that the header says."""
    if samples.ndim not in (2, 3) or samples.shape[:2] != (picture.height, picture.width):
        shape = "x".join(map(str, samples.shape))
        msg = f"it holds {shape} samples instead of {picture.height}x{picture.width} pixels"
        raise ValueError(msg)
    return samples


def encode_like(picture: Picture, samples: NDArray[Any], suffix: str) -> bytes:
    """Write samples, upright, as a file of the kind and with the palette of `picture`.

    Raises
    ------
    ValueError
        If its kind cannot hold them.
    """
    kinds = {"tif": "TIFF", "tiff": "TIFF", "bmp": "BMP", "webp": "WEBP"}
    image = Image.fromarray(samples)
    if picture.palette is not None:
        image = Image.frombytes("P", image.size, np.ascontiguousarray(samples).tobytes())
        image.putpalette(picture.palette.tobytes())
    target = BytesIO()
    options: dict[str, Any] = {"lossless": True, "exact": True} if suffix == "webp" else {}
    with _damage("it cannot be written"):
        image.save(target, kinds[suffix], **options)
    return target.getvalue()


def turn(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Apply an EXIF orientation to (H, W) or (H, W, C) samples.

    Examples
    --------
    >>> turn(np.array([[1, 2], [3, 4]]), 6).tolist()  # a quarter turn clockwise
    [[3, 1], [4, 2]]
    """
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return samples


def read_orientation(image: Image.Image) -> int:
    """Read the EXIF orientation of an image that is not loaded yet; 1 where there is none."""
    return _find_orientation(image.getexif)


def parse_orientation(exif: bytes) -> int:
    """Read the orientation off EXIF data, as a PNG's eXIf chunk holds it."""

    def load() -> Image.Exif:
        found = Image.Exif()
        found.load(exif)
        return found

    return _find_orientation(load)


def _find_orientation(load: Callable[[], Image.Exif]) -> int:
    """Look the orientation up; 1 where there is none, or what there is cannot be read."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of EXIF that is damaged
            value = load().get(_ORIENTATION, 1)
    except _DAMAGED:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _from_pillow(image: Image.Image) -> Picture:
    """Describe a file that Pillow reads."""
    orientation = read_orientation(image)
    width, height = image.size
    is_swapped = orientation >= 5 and not isinstance(image, TiffImageFile)
    channels = len(image.getbands())
    palette = None
    if image.mode == "P" and image.palette is not None:
        palette = _read_palette(image.palette.rawmode or "RGB", bytes(image.palette.palette))
    if image.mode not in ("1", "L", "P", "LA", "RGB", "RGBA", "I", "F", "I;16", "I;16B", "I;16L"):
        msg = f"colours of mode {image.mode}"
        raise ValueError(msg)
    return Picture(
        height=width if is_swapped else height,
        width=height if is_swapped else width,
        bit_depth=_BITS.get(image.mode, 8),
        colour_type=3 if palette is not None else {1: 0, 2: 4, 3: 2, 4: 6}[channels],
        palette=palette,
        orientation=orientation,
        content=image,
    )


def _read_palette(mode: str, data: bytes) -> NDArray[np.uint8]:
    """Read the colours of a palette as a file stores them: (P, 3)."""
    values = np.frombuffer(data, np.uint8)
    if mode.endswith(";L"):  # one channel after the other
        return np.ascontiguousarray(values[: len(values) // 3 * 3].reshape(3, -1).T)
    step = 4 if len(mode) == 4 else 3
    colours = values[: len(values) // step * step].reshape(-1, step)[:, :3]
    return np.ascontiguousarray(colours[:, ::-1] if mode.startswith("BGR") else colours)


def _open_tiff(data: bytes | bytearray) -> Picture:
    """Open a TIFF with Pillow, or with tifffile what Pillow does not know or reduces to 8 bits."""
    with suppress(SyntaxError, ValueError, KeyError):
        image = TiffImageFile(BytesIO(data))
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (8,))
        if len(image.getbands()) == 1 or max(bits) <= 8:
            return _from_pillow(image)
    import tifffile

    logging.getLogger("tifffile").addHandler(_SILENT)  # what is wrong, we say ourselves
    page: Any = tifffile.TiffFile(BytesIO(data)).pages[0]
    tag = page.tags.get("Orientation")
    orientation = int(tag.value) if tag is not None and 1 <= int(tag.value) <= 8 else 1
    height, width = int(page.imagelength), int(page.imagewidth)
    if int(page.samplesperpixel) > _MAX_CHANNELS or int(page.imagedepth) > 1:
        msg = f"{page.imagedepth} layers of {page.samplesperpixel} channels"
        raise ValueError(msg)
    return Picture(
        height=width if orientation >= 5 else height,
        width=height if orientation >= 5 else width,
        bit_depth=int(page.bitspersample),
        colour_type=2 if int(page.samplesperpixel) >= 3 else 0,
        palette=None,
        orientation=orientation,
        content=page.parent,
    )


def _in_channels_last(samples: NDArray[Any]) -> NDArray[Any]:
    """Bring planes (C, H, W) into the order (H, W, C)."""
    if samples.ndim == 3 and samples.shape[0] <= 4 < samples.shape[2]:
        return np.moveaxis(samples, 0, 2)
    return samples


@contextmanager
def _damage(what: str) -> Iterator[None]:
    """Turn what readers raise for damaged files into a `ValueError`."""
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except _DAMAGED as error:
        msg = f"{what} ({error})"
        if "imagecodecs" in str(error):
            msg = (
                f"its compression needs one more package: pip install 'curate-seg[tiff]' ({error})"
            )
        raise ValueError(msg) from error
