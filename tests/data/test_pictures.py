from __future__ import annotations

import io
import logging

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from curate.data import images, pictures
from curate.errors import DataError
from tests.data.making import full

RAMP = np.arange(8 * 9, dtype=np.uint8).reshape(8, 9)
COLOUR = np.stack([RAMP, 255 - RAMP, RAMP // 2], 2)


def saved(samples, kind, *, palette=None, **options):
    image = Image.fromarray(samples)
    if palette is not None:
        image = Image.frombytes("P", image.size, samples.tobytes())
        image.putpalette(palette)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def read(data):
    return pictures.decode(pictures.open_picture(data))


LOSSLESS = [("TIFF", {}), ("BMP", {}), ("WEBP", {"lossless": True, "exact": True})]


@pytest.mark.parametrize(("kind", "options"), LOSSLESS, ids=lambda value: str(value)[:4])
def test_colour_is_read_as_stored(kind, options):
    data = saved(COLOUR, kind, **options)
    assert pictures.is_picture(data)
    assert np.array_equal(read(data), COLOUR)
    opened = pictures.open_picture(data)
    assert (opened.height, opened.width, opened.bit_depth, opened.colour_type) == (8, 9, 8, 2)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiff_is_read(compression):
    assert np.array_equal(read(saved(RAMP, "TIFF", compression=compression)), RAMP)


@pytest.mark.parametrize("kind", ["TIFF", "BMP"])
def test_palette_gives_indices_and_colours(kind):
    palette = bytes(range(192))
    opened = pictures.open_picture(saved(RAMP % 60, kind, palette=palette))
    assert np.array_equal(pictures.decode(opened), RAMP % 60)
    assert opened.colour_type == 3
    assert opened.palette[5].tolist() == [15, 16, 17]


@pytest.mark.parametrize("kind", ["TIFF", "BMP"])
def test_one_bit_gives_zero_and_one(kind):
    opened = pictures.open_picture(saved(RAMP > 20, kind))
    assert opened.bit_depth == 1
    assert np.array_equal(np.unique(pictures.decode(opened)), [0, 1])


def test_16_bits_of_grey_and_of_colour_are_kept():
    wide = RAMP.astype(np.uint16) * 700
    assert np.array_equal(read(saved(wide, "TIFF")), wide)
    colour = np.stack([wide, wide + 1, wide + 2], 2)
    for planar in ("contig", "separate"):
        file = io.BytesIO()
        samples = colour if planar == "contig" else np.moveaxis(colour, 2, 0)
        tifffile.imwrite(file, samples, photometric="rgb", planarconfig=planar)
        opened = pictures.open_picture(file.getvalue())
        assert (opened.height, opened.width, opened.bit_depth) == (8, 9, 16)
        assert np.array_equal(pictures.decode(opened), colour)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_what_viewers_show(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind, options in (("TIFF", {}), ("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        path = tmp_path / f"a.{kind.lower()}"
        path.write_bytes(saved(COLOUR, kind, exif=exif, **options))
        with Image.open(path) as image:
            expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        opened = images.open_image(images.read_file(path, "image"), path)
        assert (opened.height, opened.width) == expected.shape[:2], kind
        assert opened.orientation == orientation
        assert np.array_equal(images.decode_image(opened, path), expected), kind


def test_quarter_turn_worked_out_by_hand():
    corner = np.array([[1, 2], [3, 4]])
    turned = {n: pictures.turn(corner, n).ravel().tolist() for n in range(1, 9)}
    assert turned == {
        1: [1, 2, 3, 4], 2: [2, 1, 4, 3], 3: [4, 3, 2, 1], 4: [3, 4, 1, 2],
        5: [1, 3, 2, 4], 6: [3, 1, 4, 2], 7: [4, 2, 3, 1], 8: [2, 4, 1, 3],
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "WEBP"])
def test_damaged_files_are_reported(tmp_path, kind):
    data = saved(COLOUR, kind)
    path = tmp_path / "a.tif"
    for cut in (6, len(data) // 3, len(data) - 20):
        path.write_bytes(data[:cut])
        with pytest.raises(DataError) as caught:
            images.decode_image(images.open_image(images.read_file(path, "image"), path), path)
        assert caught.value.code in ("unreadable_image", "too_small")


@pytest.mark.parametrize("bits", [0, 770])
def test_tiff_whose_samples_are_no_image_is_refused_in_silence(bits, capfd, monkeypatch):
    data = bytearray(saved(RAMP, "TIFF"))
    at = data.find(b"\x02\x01\x03\0") + 8  # tag 258, how many bits a sample has
    data[at : at + 2] = bits.to_bytes(2, "little")
    data[data.find(b"\x11\x01") :][:2] = b"\x99\x99"  # tag 273, where they are
    monkeypatch.setattr(logging.getLogger("tifffile"), "propagate", False)
    with pytest.raises(ValueError, match=r"it holds 0(x0)? samples instead of 8x9 pixels"):
        read(bytes(data))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("shape", "options", "seen"),
    [
        ((8, 9, 7), {"photometric": "minisblack", "planarconfig": "contig"}, "1 layers of 7"),
        ((5, 8, 9, 3), {"photometric": "rgb", "volumetric": True}, "5 layers of 3"),
    ],
)
def test_tiff_of_many_layers_or_channels_is_refused_unread(shape, options, seen):
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros(shape, np.uint16), **options)
    with pytest.raises(ValueError, match=f"{seen} channels"):
        pictures.open_picture(file.getvalue())


def test_header_of_a_giant_webp_is_refused(tmp_path):
    path = tmp_path / "a.webp"
    Image.fromarray(full(1)).convert("RGB").save(path, lossless=True)
    data = bytearray(path.read_bytes())
    sides = int.from_bytes(data[21:25], "little") & ~0xFFFFFFF | 16382 << 14 | 16382
    data[21:25] = sides.to_bytes(4, "little")  # two of 14 bits, each less by 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="268402689 pixels"):
        images.open_image(images.read_file(path, "image"), path)


def test_damaged_exif_leaves_an_image_as_it_is():
    assert pictures.parse_orientation(b"II*\0garbage") == 1
    assert pictures.parse_orientation(b"") == 1


def test_loss_is_seen():
    assert pictures.is_lossy(saved(COLOUR, "WEBP"))
    assert not pictures.is_lossy(saved(COLOUR, "WEBP", lossless=True))
    assert not pictures.is_lossy(saved(COLOUR, "TIFF"))


@pytest.mark.parametrize(("kind", "suffix"), [("TIFF", "tif"), ("BMP", "bmp")])
def test_file_is_written_again_in_its_own_kind(kind, suffix):
    palette = bytes(range(192))
    opened = pictures.open_picture(saved(RAMP % 60, kind, palette=palette))
    again = pictures.open_picture(pictures.encode_like(opened, full(7), suffix))
    assert np.array_equal(pictures.decode(again), full(7))
    assert again.palette[5].tolist() == [15, 16, 17]
