"""PNG files as chunks: check them, and write them in the formats that labels come in."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPE_PALETTE: Final = 3

_CHANNELS: Final = {0: 1, 2: 3, COLOUR_TYPE_PALETTE: 1, 4: 2, 6: 4}
_BIT_DEPTHS: Final = {
    0: (1, 2, 4, 8, 16), 2: (8, 16), COLOUR_TYPE_PALETTE: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)
}  # fmt: skip
_COLOUR_TYPES: Final = {1: 0, 2: 4, 3: 2, 4: 6}
_HEADER: Final = struct.Struct(">IIBBBBB")
_MAX_SIDE: Final = 2**31 - 1
_HEADER_END: Final = 33


@dataclass(frozen=True, slots=True)
class Png:
    """The checked, still compressed content of a PNG file.

    Attributes
    ----------
    palette : (P, 3) uint8 or None
        Colours of the indices, for a palette PNG.
    pixels : bytes
        The zlib stream.
    """

    height: int
    width: int
    bit_depth: int
    colour_type: int
    is_interlaced: bool
    palette: NDArray[np.uint8] | None
    pixels: bytes

    @property
    def num_channels(self) -> int:
        """Samples a pixel."""
        return _CHANNELS[self.colour_type]


def peek_colour_type(path: Path) -> int | None:
    """Return the colour type in the header of a PNG file, None if it is none or cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_END)
    except OSError:
        return None
    is_png = len(head) == _HEADER_END and head.startswith(SIGNATURE)
    return head[25] if is_png else None


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
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
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
    )


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
    colour_type = _COLOUR_TYPES[num_channels] if palette is None else COLOUR_TYPE_PALETTE
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


def _frame(kind: bytes, content: bytes) -> bytes:
    """Frame `content` with length, kind and checksum."""
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
