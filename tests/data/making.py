"""Make the small files that the tests of data sets read."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image

SIDE = 8


def chunk(kind, content):
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png_file(width, height, bit_depth, colour_type, raw, *, interlace=0, before_pixels=b""):
    """Put a PNG together from filtered rows, each with its filter byte."""
    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, interlace)
    pixels = before_pixels + chunk(b"IDAT", zlib.compress(raw))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def wide_png(samples):
    """Write (H, W, C) uint16 samples as 16-bit colour."""
    height, width, channels = samples.shape
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return png_file(width, height, 16, {2: 4, 3: 2, 4: 6}[channels], raw)


def packed_png(samples, bit_depth, *, colour_type=0, palette=b""):
    """Write (H, W) samples with 1, 2 or 4 bits each; W times the bits must fill whole bytes."""
    per_byte = 8 // bit_depth
    shifts = np.arange(per_byte - 1, -1, -1) * bit_depth
    height, width = samples.shape
    rows = (samples.reshape(height, -1, per_byte).astype(int) << shifts).sum(2).astype(np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    plte = chunk(b"PLTE", palette) if palette else b""
    return png_file(width, height, bit_depth, colour_type, raw, before_pixels=plte)


def full(value, *, size=(SIDE, SIDE), dtype=np.uint8):
    """An array of one value, which may be a colour."""
    return np.full((*size, *np.shape(value)), value, dtype)


def save(path, samples, *, palette=None):
    """Save samples with Pillow, as a palette PNG if there is a palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(samples))
    if palette is not None:
        image = Image.frombytes("P", image.size, image.tobytes())
        image.putpalette(palette)
    image.save(path)


def save_wide(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wide_png(samples))


def save_folder(root, values, *, colour=(10, 20, 30)):
    """Make a data set of layout folder: one image and one grey label a name."""
    for name, value in values.items():
        save(root / f"images/{name}.png", full(colour))
        save(root / f"labels/{name}.png", full(value))
    return root
