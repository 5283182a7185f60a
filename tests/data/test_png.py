from __future__ import annotations

import io
import os
import zlib

import numpy as np
import pytest
from PIL import Image

from curate.data.png import decode_png, encode_png, parse_png, peek_colour_type
from tests.data.making import chunk, packed_png, png_file, wide_png

IDS = np.arange(16, dtype=np.uint8).reshape(4, 4)
WIDE = np.arange(4 * 4 * 3, dtype=np.uint16).reshape(4, 4, 3) * 1300


def decode(data):
    return decode_png(parse_png(data))


def pillow_file(image, **options):
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


@pytest.mark.parametrize("bit_depth", [1, 2, 4])
@pytest.mark.parametrize("colour_type", [0, 3])
def test_samples_of_few_bits_are_not_stretched(bit_depth, colour_type):
    ids = np.resize(np.arange(2**bit_depth), (2, 8))
    data = packed_png(
        ids, bit_depth, colour_type=colour_type, palette=bytes(48)[: 48 * colour_type]
    )
    assert decode(data).dtype == np.uint8
    assert np.array_equal(decode(data), ids)


def test_palette_indices_are_not_looked_up():
    image = Image.fromarray(IDS).convert("P")
    image = Image.frombytes("P", (4, 4), IDS.tobytes())
    image.putpalette(bytes(range(100, 148)))
    png = parse_png(pillow_file(image))
    assert np.array_equal(decode_png(png), IDS)
    assert png.palette[1].tolist() == [103, 104, 105]


def test_16_bit_grey_is_exact():
    ids = IDS.astype(np.uint16) * 4000
    assert np.array_equal(decode(pillow_file(Image.fromarray(ids))), ids)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bit_colour_is_exact(channels):
    samples = np.resize(WIDE, (4, 4, channels))
    assert decode(wide_png(samples)).dtype == np.uint16
    assert np.array_equal(decode(wide_png(samples)), samples)


def test_16_bit_colour_is_unfiltered():
    # one row, filter 1: each sample is stored as the difference to the one on its left
    raw = b"\1" + bytes([0, 5, 0, 6, 0, 7]) + bytes([0, 1, 0, 1, 0, 1])
    assert decode(png_file(2, 1, 16, 2, raw)).tolist() == [[[5, 6, 7], [6, 7, 8]]]


def test_interlaced_pixels_are_put_in_place():
    raw = bytes([0, 11, 0, 12, 0, 13, 14])  # passes 1, 6 and 7 of a 2x2 image
    assert decode(png_file(2, 2, 8, 0, raw, interlace=1)).tolist() == [[11, 12], [13, 14]]


def test_interlaced_pixels_must_all_be_there():
    with pytest.raises(ValueError, match="4 bytes of pixels instead of 7"):
        decode(png_file(2, 2, 8, 0, bytes([0, 11, 0, 12]), interlace=1))


def test_interlaced_16_bit_colour_is_put_in_place():
    pixels = [bytes([1, n, 2, n, 3, n]) for n in range(4)]
    raw = b"\0" + pixels[0] + b"\0" + pixels[1] + b"\0" + pixels[2] + pixels[3]
    expected = [[[256 + n, 512 + n, 768 + n] for n in row] for row in ((0, 1), (2, 3))]
    assert decode(png_file(2, 2, 16, 2, raw, interlace=1)).tolist() == expected


@pytest.mark.parametrize(("bit_depth", "colour_type"), [(8, 0), (8, 2), (16, 0), (16, 2)])
def test_pixels_that_end_early_are_refused(bit_depth, colour_type):
    with pytest.raises(ValueError, match=r"bytes of pixels instead of|damaged"):
        decode(png_file(4, 4, bit_depth, colour_type, b"\0" + bytes(4)))


@pytest.mark.parametrize(("bit_depth", "colour_type", "row"), [(8, 0, 4), (16, 2, 24)])
def test_unknown_filter_is_refused(bit_depth, colour_type, row):
    with pytest.raises(ValueError, match="its pixels are damaged"):
        decode(png_file(4, 4, bit_depth, colour_type, (b"\7" + bytes(row)) * 4))


@pytest.mark.parametrize("data", [wide_png(WIDE), encode_png(IDS)], ids=["wide", "grey"])
def test_damaged_stream_is_refused(data):
    start = data.index(b"IDAT") + 4
    length = int.from_bytes(data[start - 8 : start - 4], "big")
    pixels = bytearray(data[start : start + length])
    pixels[-1] ^= 0xFF  # checksum of the stream; that of the chunk is made anew
    damaged = data[: start - 8] + chunk(b"IDAT", bytes(pixels)) + chunk(b"IEND", b"")
    with pytest.raises(ValueError, match="its pixels are damaged"):
        decode(damaged)


@pytest.mark.parametrize("end", [0, 7, 20, 40, -12, -1])
def test_file_that_is_cut_off_is_refused(end):
    with pytest.raises(ValueError, match=r"cut off|no PNG"):
        parse_png(encode_png(IDS)[:end])


def test_wrong_checksum_is_refused():
    data = bytearray(encode_png(IDS))
    data[-14] ^= 0xFF
    with pytest.raises(ValueError, match=r"checksum of its b'IDAT' chunk"):
        parse_png(data)


@pytest.mark.parametrize(
    ("bit_depth", "colour_type", "width", "match"),
    [(3, 0, 4, "bit depth 3"), (8, 5, 4, "colour type 5"), (8, 0, 0, "4x0 pixels")],
)
def test_impossible_header_is_refused(bit_depth, colour_type, width, match):
    with pytest.raises(ValueError, match=match):
        parse_png(png_file(width, 4, bit_depth, colour_type, b""))


def test_palette_png_needs_a_palette():
    with pytest.raises(ValueError, match="palette of 0 bytes"):
        parse_png(png_file(4, 4, 8, 3, bytes(20)))


def test_huge_text_does_not_reach_the_decoder():
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**21)))
    data = png_file(2, 2, 8, 0, bytes([0, 1, 2, 0, 3, 4]), before_pixels=text)
    assert decode(data).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "samples",
    [IDS, IDS.astype(np.uint16) * 999, np.stack([IDS] * 3, 2), np.stack([IDS] * 4, 2), WIDE],
    ids=["grey", "grey16", "colour", "colour with alpha", "colour16"],
)
def test_encoded_samples_are_decoded_again(samples):
    assert np.array_equal(decode(encode_png(samples)), samples)


def test_encoded_palette_is_read_by_others():
    palette = np.array([[9, 8, 7], [1, 2, 3]], np.uint8)
    data = encode_png(IDS % 2, palette=palette)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "P"
        assert image.convert("RGB").getpixel((1, 0)) == (1, 2, 3)


def test_colour_type_is_peeked(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(IDS))
    assert peek_colour_type(path) == 0
    path.write_bytes(b"short")
    assert peek_colour_type(path) is None
    assert peek_colour_type(tmp_path / "gone") is None
    os.mkfifo(tmp_path / "pipe.png")
    assert peek_colour_type(tmp_path / "pipe.png") is None
