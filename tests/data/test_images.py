from __future__ import annotations

import io
import os
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageFile

from curate.data import images, png
from curate.errors import DataError
from tests.data.making import full, packed_png, png_file, save, wide_png

RAMP = np.arange(64, dtype=np.uint8).reshape(8, 8)


def jpeg(samples=None, **options):
    file = io.BytesIO()
    Image.fromarray(full((200, 100, 50)) if samples is None else samples).save(
        file, "JPEG", quality=95, **options
    )
    return file.getvalue()


def read_image(path):
    """Read (H, W, 3)."""
    return images.decode_image(images.open_image(images.read_file(path, "image"), path), path)


def read(tmp_path, data):
    path = tmp_path / "a.png"
    path.write_bytes(data)
    return read_image(path)


def test_colour_is_read_with_channels_last(tmp_path):
    save(tmp_path / "a.png", np.stack([RAMP, RAMP + 1, RAMP + 2], 2))
    image = read_image(tmp_path / "a.png")
    assert image.shape == (8, 8, 3)
    assert image[0, 5].tolist() == [5, 6, 7]


@pytest.mark.parametrize("samples", [RAMP, np.stack([RAMP, 255 - RAMP], 2)], ids=["grey", "alpha"])
def test_grey_is_repeated(tmp_path, samples):
    save(tmp_path / "a.png", samples)
    assert read_image(tmp_path / "a.png")[0, 5].tolist() == [5, 5, 5]


def test_alpha_is_dropped(tmp_path):
    save(tmp_path / "a.png", full((1, 2, 3, 0)))
    assert read_image(tmp_path / "a.png")[0, 0].tolist() == [1, 2, 3]


def test_palette_is_looked_up(tmp_path):
    save(tmp_path / "a.png", RAMP, palette=bytes(range(192)))
    assert read_image(tmp_path / "a.png")[0, 5].tolist() == [15, 16, 17]


@pytest.mark.parametrize(("bit_depth", "expected"), [(1, 255), (2, 85), (4, 17)])
def test_few_bits_are_stretched(tmp_path, bit_depth, expected):
    image = read(tmp_path, packed_png(full(1), bit_depth))
    assert np.unique(image).tolist() == [expected]


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (128, 0), (129, 1), (65535, 255)])
def test_16_bits_are_rounded_to_8(tmp_path, value, expected):
    image = read(tmp_path, wide_png(full((value,) * 3, dtype=np.uint16)))
    assert np.unique(image).tolist() == [expected]


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["plain", "progressive"])
def test_jpeg_is_read_whatever_its_suffix(tmp_path, options):
    image = read(tmp_path, jpeg(**options))
    assert np.allclose(image[3, 3], [200, 100, 50], atol=3)


def test_grey_jpeg_is_repeated(tmp_path):
    assert read(tmp_path, jpeg(full(90))).shape == (8, 8, 3)


def test_cmyk_jpeg_becomes_colour(tmp_path):
    file = io.BytesIO()
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(file, "JPEG", quality=95)
    red, green, blue = read(tmp_path, file.getvalue())[3, 3].tolist()
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize("is_lenient", [False, True])
def test_jpeg_that_is_cut_off_is_refused_even_where_pillow_is_told_to_be_lenient(
    tmp_path, monkeypatch, is_lenient
):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", is_lenient)
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for progressive in (True, False):
        data = jpeg(noise, progressive=progressive)
        for share in (0.05, 0.3, 0.6, 0.99):
            with pytest.raises(DataError, match=r"cannot be read: .*cut off") as caught:
                read(tmp_path, data[: int(len(data) * share)])
            assert caught.value.code == "unreadable_image"


def test_jpeg_with_a_damaged_header_is_refused(tmp_path):
    data = bytearray(jpeg())
    data[data.index(b"\xff\xc0") + 4] = 12  # bits a sample
    with pytest.raises(DataError, match=r"header is damaged or cut off .*12-bit") as caught:
        read(tmp_path, data)
    assert caught.value.code == "unreadable_image"


def test_damaged_exif_is_no_hindrance(tmp_path):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x09\1\x1a\0\5\0\0\0\1\0\0\xff\xff"
    assert read(tmp_path, jpeg(exif=exif)).shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("data", "match"),
    [(b"", "it is empty"), (b"GIF89a...", "neither a PNG, JPEG, TIFF"), (b"\0" * 99, "neither")],
)
def test_other_content_is_refused(tmp_path, data, match):
    with pytest.raises(DataError, match=match) as caught:
        read(tmp_path, data)
    assert caught.value.code == "unreadable_image"


def test_missing_image_is_an_error(tmp_path):
    with pytest.raises(DataError, match="does not exist") as caught:
        read_image(tmp_path / "a.png")
    assert caught.value.code == "missing_image"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(DataError, match="no ordinary file"):
        read_image(tmp_path / "a.png")


def test_small_image_is_refused(tmp_path):
    with pytest.raises(DataError, match="7x8 pixels; both sides need 8") as caught:
        read(tmp_path, png_file(8, 7, 8, 0, bytes(63)))
    assert caught.value.code == "too_small"


def test_huge_image_is_refused_before_it_is_decoded(tmp_path):
    with pytest.raises(DataError, match="more than 134,217,728 pixels") as caught:
        read(tmp_path, png_file(2**15, 2**13, 8, 0, b""))
    assert caught.value.code == "too_large"


def test_huge_jpeg_is_refused_before_it_is_decoded(tmp_path):
    data = bytearray(jpeg())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(DataError, match="65535x65535") as caught:
        read(tmp_path, data)
    assert caught.value.code == "too_large"


def test_huge_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    with pytest.raises(DataError, match="has 11 bytes, more than 10") as caught:
        read(tmp_path, bytes(11))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    ("samples", "size"),
    [
        (np.zeros((8, 8), np.uint8), 64),
        (np.zeros((8, 8, 3), np.uint8), 192),
        (np.zeros((8, 8, 4), np.uint16), 512),
    ],
)
def test_limit_counts_the_bytes_that_samples_decode_to(tmp_path, monkeypatch, samples, size):
    data = png.encode_png(samples)
    (tmp_path / "a.png").write_bytes(data)
    monkeypatch.setattr(images, "MAX_BYTES", size)
    opened = images.open_image(bytearray(data), tmp_path / "a.png")
    assert opened.pixel_bytes * 64 == size
    monkeypatch.setattr(images, "MAX_BYTES", size - 1)
    with pytest.raises(DataError, match=rf"more than {size - 1} bytes\. Cut it") as caught:
        images.open_image(bytearray(data), tmp_path / "a.png")
    assert caught.value.code == "too_large"


def test_wide_samples_are_scaled_in_little_memory():
    samples = np.full((2048, 256, 4), 65407, np.uint16)  # 254.5 of 255
    tracemalloc.start()
    scaled = images.scale(samples, 0, 65535)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (scaled == 255).all()
    assert peak < 2.5 * scaled.nbytes


def test_jpeg_of_a_thousand_scans_is_refused_unseen(tmp_path):
    data = jpeg(progressive=True)
    at = data.index(b"\xff\xda")
    scan = data[at : data.index(b"\xff\xda", at + 2)]
    with pytest.raises(DataError, match="more than 100 scans"):
        read(tmp_path, data[:at] + scan * 1000 + data[at:])


@pytest.mark.parametrize(
    ("size", "least_px", "expected"),
    [
        ((480, 640), 64, (120, 160)),
        ((480, 640), 60, (60, 80)),
        ((101, 203), 50, (51, 102)),
        ((101, 203), 64, (101, 203, 3)),
    ],
)
def test_jpeg_is_reduced_by_whole_steps_but_not_below_the_least(tmp_path, size, least_px, expected):
    path = tmp_path / "a.jpg"
    grey = np.tile(np.linspace(0, 255, size[1]), (size[0], 1)).astype(np.uint8)
    Image.fromarray(np.dstack([grey] * 3)).save(path, quality=95)
    opened = images.open_image(images.read_file(path, "image"), path)
    reduced = images.decode_reduced(opened, path, least_px=least_px)
    assert reduced.shape == expected
    row = reduced[expected[0] // 2].reshape(expected[1], -1)[:, 0].astype(float)
    assert np.abs(row - np.linspace(0, 255, expected[1])).max() < 6


def test_jpeg_may_be_reduced_in_colour(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (640, 480), (200, 40, 90)).save(path, quality=95)
    opened = images.open_image(images.read_file(path, "image"), path)
    small = images.decode_image(opened, path, least_px=60)
    assert small.shape == (60, 80, 3)
    assert np.abs(small - np.array([200.0, 40, 90])).max() < 4
    assert images.decode_image(opened, path).shape == (480, 640, 3)


def test_jpeg_that_is_cut_off_is_not_reduced_in_silence(tmp_path):
    path = tmp_path / "a.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    data = images.read_file(path, "image")[:-3000]
    with pytest.raises(DataError, match="damaged or cut off"):
        images.decode_reduced(images.open_image(data, path), path, least_px=16)


@pytest.mark.parametrize("samples", [np.uint8(full(7)), np.uint8(full((9, 8, 7)))])
def test_png_is_reduced_by_whole_steps_to_the_means_of_each(tmp_path, samples):
    image = np.repeat(np.repeat(samples[:2, :2], 24, 0), 36, 1)
    image[:24, :36] += 100
    path = tmp_path / "a.png"
    Image.fromarray(image).save(path)
    opened = images.open_image(images.read_file(path, "image"), path)
    reduced = images.decode_reduced(opened, path, least_px=16)
    assert np.array_equal(reduced, image[::3, ::4])
    assert reduced.shape[:2] == (16, 18)


def test_png_that_ends_early_is_not_reduced_in_silence(tmp_path):
    raw = b"\0" + bytes(32 * 3)
    path = tmp_path / "a.png"
    path.write_bytes(png_file(32, 32, 8, 2, raw * 31))
    opened = images.open_image(images.read_file(path, "image"), path)
    with pytest.raises(DataError, match="3,007 bytes of pixels instead of 3,104"):
        images.decode_reduced(opened, path, least_px=16)


def test_turned_png_is_reduced_upright(tmp_path):
    path = tmp_path / "a.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(full(5, size=(16, 64))).save(path, exif=exif)
    opened = images.open_image(images.read_file(path, "image"), path)
    assert images.decode_reduced(opened, path, least_px=16).shape == (16, 16)
    assert images.decode_reduced(opened, path, least_px=8).shape == (8, 8)
    assert images.decode_reduced(opened, path, least_px=40).shape == (64, 16)


def test_webp_counts_by_what_its_decoder_takes(tmp_path, monkeypatch):
    """Of (H, W, 3) uint8 libwebp and Pillow hold four bytes each beside what is handed on."""
    for name in ("a.webp", "a.tif"):
        path = tmp_path / name
        Image.new("RGB", (16, 16)).save(path)
        opened = images.open_image(images.read_file(path, "image"), path)
        assert opened.pixel_bytes == {"a.webp": 8, "a.tif": 3}[name]
    monkeypatch.setattr("curate.data.images.MAX_BYTES", 16 * 16 * 8 - 1)
    with pytest.raises(DataError, match="16x16 pixels of 8 bytes each"):
        images.open_image(images.read_file(tmp_path / "a.webp", "image"), tmp_path / "a.webp")
