"""JPEG files: find their size without decoding, and decode them whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

_START: Final = b"\xff\xd8\xff"
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH: Final = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})
_MODES: Final = {1: ("RGB", "RGB"), 3: ("RGB", "RGB"), 4: ("CMYK", "CMYK;I")}
"""Number of channels: Pillow's mode, and what its decoder is to ask libjpeg for."""


@dataclass(frozen=True, slots=True)
class Jpeg:
    """A JPEG file in memory, still compressed."""

    height: int
    width: int
    num_channels: int
    data: bytearray


def parse_jpeg(data: bytearray) -> Jpeg:
    """Find the size in the frame header, without decoding.

    Raises
    ------
    ValueError
        Saying what is wrong, if the file is no JPEG or ends before its size.
    """
    if not data.startswith(_START):
        msg = "it is neither a PNG nor a JPEG file"
        raise ValueError(msg)
    at = _find_frame(data)
    if at < 0 or at + 10 > len(data):
        msg = f"it is cut off after {len(data):,} bytes"
        raise ValueError(msg)
    height = int.from_bytes(data[at + 5 : at + 7], "big")
    width = int.from_bytes(data[at + 7 : at + 9], "big")
    if data[at + 9] not in _MODES:
        msg = f"it has {data[at + 9]} channels instead of 1, 3 or 4"
        raise ValueError(msg)
    return Jpeg(height, width, data[at + 9], data)


def decode_jpeg(jpeg: Jpeg) -> NDArray[np.uint8]:
    """Decode to (H, W, 3) uint8, grey repeated and CMYK converted.

    Raises
    ------
    ValueError
        If the file is damaged or cut off.
    """
    mode, raw_mode = _MODES[jpeg.num_channels]
    size = (jpeg.width, jpeg.height)
    try:
        image = Image.frombytes(mode, size, jpeg.data, "jpeg", raw_mode, "")
    except ValueError as error:
        msg = f"it is damaged or cut off ({error})"
        raise ValueError(msg) from error
    return np.asarray(image if mode == "RGB" else image.convert("RGB")).copy()


def _find_frame(data: bytearray) -> int:
    """Return where the first frame header starts, -1 if there is none."""
    at = 2
    while (at := data.find(0xFF, at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in _FRAMES:
            return at
        if marker == 0xFF:
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return -1
