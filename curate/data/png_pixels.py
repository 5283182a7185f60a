"""Decode the pixels of a PNG file whose chunks have been checked.

Pillow's decoder of filtered pixels is used without its PNG reader, which stretches grey of few
bits, reduces 16-bit colour to 8 bits, and takes other chunks seriously.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.data.png import Png

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
        samples = _decode(png, mode, upper).astype(np.uint16) << 8 | _decode(png, mode, lower)
    if png.is_interlaced or not samples[-1].any():
        _check_length(png)  # rows that are missing are left black, and nothing is said
    return samples


def _decode(png: Png, mode: str, raw_mode: str) -> NDArray[np.uint8]:
    """Decompress and unfilter."""
    size = (png.width, png.height)
    try:
        image = Image.frombytes(mode, size, png.pixels, "zip", raw_mode, int(png.is_interlaced))
    except ValueError as error:
        msg = f"its pixels are damaged or cut off ({error})"
        raise ValueError(msg) from error
    return np.asarray(image)


def _check_length(png: Png) -> None:
    """Refuse pixels that end early although their stream is sound."""
    expected = _raw_size(png)
    try:
        num_bytes = len(zlib.decompressobj().decompress(png.pixels, expected))
    except zlib.error as error:
        msg = f"its pixels are damaged ({error})"
        raise ValueError(msg) from error
    if num_bytes < expected:
        msg = f"it holds {num_bytes:,} bytes of pixels instead of {expected:,}"
        raise ValueError(msg)


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
