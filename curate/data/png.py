"""PNG files: check their chunks, decode their samples as stored, and write what labels come in.

Pillow's decoder of filtered pixels is used without its PNG reader, which stretches grey of few
bits, reduces 16-bit colour to 8 bits, and lets a wrong checksum pass.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPE_PALETTE: Final = 3

CHANNELS: Final = {0: 1, 2: 3, COLOUR_TYPE_PALETTE: 1, 4: 2, 6: 4}
_BIT_DEPTHS: Final = {
    0: (1, 2, 4, 8, 16), 2: (8, 16), COLOUR_TYPE_PALETTE: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)
}  # fmt: skip
_COLOUR_TYPE_OF_CHANNELS: Final = {1: 0, 2: 4, 3: 2, 4: 6}
_HEADER: Final = struct.Struct(">IIBBBBB")
_BLOCK_BYTES: Final = 1 << 20
_MAX_SIDE_PX: Final = 2**31 - 1
_HEADER_END_BYTES: Final = 33
_MODES: Final = {
    # channels, bits: Pillow's mode, and how the decoder is to take the bytes of a pixel
    (1, 1): ("P", "P;1"), (1, 2): ("P", "P;2"), (1, 4): ("P", "P;4"), (1, 8): ("P", "P"),
    (2, 8): ("LA", "LA"), (3, 8): ("RGB", "RGB"), (4, 8): ("RGBA", "RGBA"),
    (1, 16): ("LA", "LA"), (2, 16): ("RGBA", "RGBA"),  # a byte pair is one sample
}  # fmt: skip
_WIDE_MODES: Final = {
    # channels of 16 bits: mode, and how to take the upper and the lower byte of each
    3: ("RGB", "RGB;16B", "RGB;16L"),
    4: ("RGBA", "RGBA;16B", "RGBA;16L"),
}
_ADAM7: Final = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)
)  # fmt: skip
"""Left, top, step right and step down of each pass of an interlaced image."""


@dataclass(frozen=True, slots=True)
class Png:
    """The checked, still compressed content of a PNG file.

    Attributes
    ----------
    palette : (P, 3) uint8 or None
        Colours of the indices, for a palette PNG.
    pixels : bytes
        The zlib stream.
    exif : bytes
        What is said of the image, empty where nothing is.
    """

    height: int
    width: int
    bit_depth: int
    colour_type: int
    is_interlaced: bool
    palette: NDArray[np.uint8] | None
    pixels: bytes
    exif: bytes = b""

    @property
    def num_channels(self) -> int:
        """Samples a pixel."""
        return CHANNELS[self.colour_type]


def peek_colour_type(path: Path) -> int | None:
    """Return the colour type in the header of a PNG file, None if it is none or cannot be read."""
    return _peek(path, 25)


def peek_bit_depth(path: Path) -> int | None:
    """Return the bit depth in the header of a PNG file, None if it is none or cannot be read."""
    return _peek(path, 24)


def _peek(path: Path, place: int) -> int | None:
    """Read one byte of the header of a PNG file."""
    try:
        if not path.is_file():  # to open a pipe would wait for ever
            return None
        with path.open("rb") as file:
            head = file.read(_HEADER_END_BYTES)
    except OSError:
        return None
    is_png = len(head) == _HEADER_END_BYTES and head.startswith(SIGNATURE)
    return head[place] if is_png else None


def pixel_bytes(colour_type: int, bit_depth: int) -> int:
    """Count the bytes that the samples of a pixel take when they are decoded."""
    return CHANNELS[colour_type] * -(-bit_depth // 8)


def parse_png(data: bytes | bytearray) -> Png:
    """Check header, chunk lengths and checksums, without decoding a pixel.

    Raises
    ------
    ValueError
        Saying what is wrong, if the file is no PNG, damaged or cut off.
    """
    chunks = _split_chunks(data)
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != _HEADER.size:
        msg = "it has no PNG header"
        raise ValueError(msg)
    fields = _HEADER.unpack(chunks[0][1])
    width, height, bit_depth, colour_type, *_, interlace = fields
    if bit_depth not in _BIT_DEPTHS.get(colour_type, ()) or interlace > 1 or any(fields[4:6]):
        msg = f"its header is wrong (bit depth {bit_depth}, colour type {colour_type})"
        raise ValueError(msg)
    if not (0 < width <= _MAX_SIDE_PX and 0 < height <= _MAX_SIDE_PX):
        msg = f"its header says {height}x{width} pixels"
        raise ValueError(msg)
    return Png(
        height=height,
        width=width,
        bit_depth=bit_depth,
        colour_type=colour_type,
        is_interlaced=interlace == 1,
        palette=_find_palette(chunks) if colour_type == COLOUR_TYPE_PALETTE else None,
        pixels=b"".join(content for kind, content in chunks if kind == b"IDAT"),
        exif=next((bytes(content) for kind, content in chunks if kind == b"eXIf"), b""),
    )


def decode_png(png: Png) -> NDArray[Any]:
    """Decode to the samples that are stored.

    Returns
    -------
    samples : (H, W) or (H, W, channels), uint8 or uint16
        Palette indices are not looked up, and samples of 1, 2 and 4 bits are not stretched. May
        be read-only.

    Raises
    ------
    ValueError
        If the pixels are damaged, or there are fewer than the header says.
    """
    num_channels = png.num_channels
    samples: NDArray[Any]
    if png.bit_depth < 16:
        samples = _decode(png, *_MODES[num_channels, png.bit_depth])
    elif num_channels < 3:
        pairs = _decode(png, *_MODES[num_channels, 16])
        samples = pairs.view(">u2").astype(np.uint16)
        samples = samples[..., 0] if num_channels == 1 else samples
    else:
        mode, upper, lower = _WIDE_MODES[num_channels]
        samples = np.empty((png.height, png.width, num_channels), "<u2")
        in_bytes = samples.view(np.uint8).reshape(*samples.shape, 2)
        in_bytes[..., 1] = _decode(png, mode, upper)
        in_bytes[..., 0] = _decode(png, mode, lower)
    if png.is_interlaced or not samples[-1].any():
        _check_length(png)  # rows that are missing are left black, and nothing is said
    return samples


def reduce_png(png: Png, least_px: int) -> NDArray[np.uint8] | None:
    """Decode to look at: reduced by whole steps to sides of at least `least_px`.

    Returns
    -------
    samples : (H', W') or (H', W', 3) uint8
        Means of the pixels of each step; None for files that are not 8 bits of grey or colour.

    Raises
    ------
    ValueError
        As `decode_png`.
    """
    mode = {0: "L", 2: "RGB"}.get(png.colour_type)
    if mode is None or png.bit_depth != 8:
        return None
    image = _open_pixels(png, mode, mode)
    last_row = image.crop((0, png.height - 1, png.width, png.height))
    if png.is_interlaced or last_row.getbbox() is None:
        _check_length(png)
    factors = (max(1, png.width // least_px), max(1, png.height // least_px))
    return np.asarray(image.reduce(factors))


def encode_png(samples: NDArray[Any], *, palette: NDArray[np.uint8] | None = None) -> bytes:
    """Write a PNG of 8 or 16 bits, with a palette, in grey or in colour.

    Parameters
    ----------
    samples : (H, W) or (H, W, 2 to 4), uint8 or uint16
    palette : (P, 3) uint8
        Makes `samples` indices; they must be (H, W) uint8.
    """
    height, width = samples.shape[:2]
    num_channels = 1 if samples.ndim == 2 else samples.shape[2]
    colour_type = _COLOUR_TYPE_OF_CHANNELS[num_channels] if palette is None else COLOUR_TYPE_PALETTE
    bit_depth = 8 * samples.dtype.itemsize
    rows = samples.astype(samples.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    raw = np.zeros((height, 1 + rows.shape[1]), np.uint8)  # filter 0 before each row
    raw[:, 1:] = rows
    header = _HEADER.pack(width, height, bit_depth, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(raw.tobytes(), 6)), (b"IEND", b"")]
    if palette is not None:
        chunks.insert(1, (b"PLTE", palette.tobytes()))
    return SIGNATURE + b"".join(_frame(kind, content) for kind, content in chunks)


def _split_chunks(data: bytes | bytearray) -> list[tuple[bytes, memoryview]]:
    """List kind and content of each chunk up to IEND."""
    if not data.startswith(SIGNATURE):
        msg = "it is no PNG"
        raise ValueError(msg)
    view, at = memoryview(data), len(SIGNATURE)
    chunks: list[tuple[bytes, memoryview]] = []
    while at + 12 <= len(view):
        length = int.from_bytes(view[at : at + 4], "big")
        end = at + 8 + length
        if end + 4 > len(view):
            break
        kind = bytes(view[at + 4 : at + 8])
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            msg = f"the checksum of its {kind!r} chunk is wrong, so it is damaged"
            raise ValueError(msg)
        if kind == b"IEND":
            return chunks
        chunks.append((kind, view[at + 8 : end]))
        at = end + 4
    msg = f"it is cut off after {len(view):,} bytes"
    raise ValueError(msg)


def _find_palette(chunks: list[tuple[bytes, memoryview]]) -> NDArray[np.uint8]:
    """Return the palette as (P, 3)."""
    content = next((content for kind, content in chunks if kind == b"PLTE"), memoryview(b""))
    if not 3 <= len(content) <= 768 or len(content) % 3:
        msg = f"it has a palette of {len(content)} bytes"
        raise ValueError(msg)
    return np.frombuffer(content, np.uint8).reshape(-1, 3).copy()


def _decode(png: Png, mode: str, raw_mode: str) -> NDArray[np.uint8]:
    """Decompress and unfilter."""
    return np.asarray(_open_pixels(png, mode, raw_mode))


def _open_pixels(png: Png, mode: str, raw_mode: str) -> Image.Image:
    """Decompress and unfilter."""
    size = (png.width, png.height)
    try:
        return Image.frombytes(mode, size, png.pixels, "zip", raw_mode, int(png.is_interlaced))
    except ValueError as error:
        msg = f"its pixels are damaged or cut off ({error})"
        raise ValueError(msg) from error


def _check_length(png: Png) -> None:
    """Refuse pixels that end early although their stream is sound."""
    expected = _raw_size(png)
    try:
        num_bytes = _count_bytes(png.pixels, expected)
    except zlib.error as error:
        msg = f"its pixels are damaged ({error})"
        raise ValueError(msg) from error
    if num_bytes < expected:
        msg = f"it holds {num_bytes:,} bytes of pixels instead of {expected:,}"
        raise ValueError(msg)


def _count_bytes(packed: bytes, most: int) -> int:
    """Count what a zlib stream unpacks to, block by block, up to `most`."""
    stream, total = zlib.decompressobj(), 0
    while packed and total < most:
        count = len(stream.decompress(packed, min(most - total, _BLOCK_BYTES)))
        packed, total = stream.unconsumed_tail, total + count
        if not count:
            break
    return total


def _raw_size(png: Png) -> int:
    """Count the bytes of the filtered pixels, one filter byte a row included."""
    bits = png.bit_depth * png.num_channels
    passes = _ADAM7 if png.is_interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, top, right, down in passes:
        width, height = -(-(png.width - left) // right), -(-(png.height - top) // down)
        if width > 0 and height > 0:
            total += height * (1 + (width * bits + 7) // 8)
    return total


def _frame(kind: bytes, content: bytes) -> bytes:
    """Frame `content` with length, kind and checksum."""
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
