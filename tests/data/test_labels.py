from __future__ import annotations

import resource

import numpy as np
import pytest
from PIL import Image

from curate.data.classes import resolve_classes
from curate.data.idmap_files import resolve_id_map
from curate.data.idmaps import IdMap
from curate.data.labels import read_label_ids, write_masked_label
from curate.data.png import parse_png
from curate.errors import LabelError, StoreError
from tests.data.making import full, packed_png, save, save_wide, wide_png

CAMVID = resolve_classes("camvid11")
IDS = np.arange(64, dtype=np.uint8).reshape(8, 8)
PLAIN = IdMap("plain", {0: 0})
FIRST = IdMap("first", {0: 0}, channel="first")
COLOURS = IdMap("colours", {0: 0}, colours={(0, 0, 0): 0})


def read(tmp_path, samples, id_map=PLAIN, **options):
    path = tmp_path / "a.png"
    if isinstance(samples, bytes):
        path.write_bytes(samples)
    elif samples.dtype == np.uint16 and samples.ndim == 3:
        save_wide(path, samples)
    else:
        save(path, samples, **options)
    return read_label_ids(path, id_map)


def test_grey_is_read_as_it_is(tmp_path):
    assert np.array_equal(read(tmp_path, IDS), IDS)


def test_palette_index_is_the_id(tmp_path):
    # this palette's colours in grey would be other numbers
    assert np.array_equal(read(tmp_path, IDS, palette=bytes(range(192))), IDS)


@pytest.mark.parametrize("bit_depth", [1, 2, 4])
def test_few_bits_are_ids(tmp_path, bit_depth):
    ids = IDS % 2**bit_depth
    assert np.array_equal(read(tmp_path, packed_png(ids, bit_depth)), ids)


def test_16_bit_grey_is_exact(tmp_path):
    ids = IDS.astype(np.uint16) * 1000
    assert np.array_equal(read(tmp_path, ids), ids)


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_holds_the_id_first(tmp_path, channels):
    samples = full(tuple(range(900, 900 + channels)), dtype=np.uint16)
    samples[..., 0] = IDS
    assert np.array_equal(read(tmp_path, samples), IDS)


def test_alpha_of_grey_is_dropped(tmp_path):
    assert np.array_equal(read(tmp_path, np.stack([IDS, 255 - IDS], 2)), IDS)


@pytest.mark.parametrize("alpha", [[], [IDS * 0]], ids=["without alpha", "with alpha"])
def test_equal_channels_are_grey(tmp_path, alpha):
    assert np.array_equal(read(tmp_path, np.stack([IDS, IDS, IDS, *alpha], 2)), IDS)


def test_first_channel_is_taken_if_the_map_says_so(tmp_path):
    assert np.array_equal(read(tmp_path, np.stack([IDS, IDS * 2, IDS], 2), FIRST), IDS)


@pytest.mark.parametrize("other", [1, 2])
def test_colours_that_may_be_anything_are_refused(tmp_path, other):
    samples = np.stack([IDS] * 3, 2)
    samples[7, 7, other] = 0
    with pytest.raises(LabelError, match=r"a \[colours\] table.*channel = \"first\"") as caught:
        read(tmp_path, samples)
    assert caught.value.code == "colour_coded"


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_are_kept_if_the_map_has_some(tmp_path, channels):
    samples = np.stack([IDS] * channels, 2)
    assert np.array_equal(read(tmp_path, samples, COLOURS), samples[..., :3])


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe0 a JPEG", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_png_is_refused(tmp_path, data):
    with pytest.raises(LabelError, match="cannot be read") as caught:
        read(tmp_path, data)
    assert caught.value.code == "unreadable_label"


def test_missing_label_is_an_error(tmp_path):
    with pytest.raises(LabelError, match="does not exist") as caught:
        read_label_ids(tmp_path / "a.png", PLAIN)
    assert caught.value.code == "missing_label"


BITS = np.tile(np.array([0, 1], np.uint8), (8, 4))
KEEP = np.arange(64).reshape(8, 8) % 3 == 0
TWO = IdMap("plain", {0: 5, 1: 6})
TWO_FIRST = IdMap("first", {0: 5, 1: 6}, channel="first")
TWO_COLOURS = IdMap("colours", {}, colours={(0, 9, 9): 5, (1, 9, 9): 6})
NINE = full(9)

FORMATS = {
    # samples as saved by Pillow, or the bytes of a file; the id map
    "grey": (BITS, TWO),
    "grey with alpha": (np.stack([BITS, NINE], 2), TWO),
    "1 bit": (packed_png(BITS, 1), TWO),
    "4 bit": (packed_png(BITS, 4), TWO),
    "palette of 4 bits": (packed_png(BITS, 4, colour_type=3, palette=bytes(range(48))), TWO),
    "16-bit grey": (BITS.astype(np.uint16), TWO),
    "16-bit colour": (wide_png(np.stack([BITS, NINE, NINE], 2).astype(np.uint16)), TWO_FIRST),
    "16-bit colour with alpha": (wide_png(np.stack([BITS] * 4, 2).astype(np.uint16)), TWO),
    "grey in colour": (np.stack([BITS] * 3, 2), TWO),
    "grey in colour with alpha": (np.stack([BITS, BITS, BITS, NINE], 2), TWO),
    "red channel": (np.stack([BITS, NINE, NINE], 2), TWO_FIRST),
    "red channel with alpha": (np.stack([BITS, NINE, NINE, NINE], 2), TWO_FIRST),
    "colours": (np.stack([BITS, NINE, NINE], 2), TWO_COLOURS),
    "colours with alpha": (np.stack([BITS, NINE, NINE, BITS], 2), TWO_COLOURS),
}


def put(path, content):
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        save(path, content)
    return path


def test_kept_pixels_and_format_stay_and_other_pixels_are_ignored(tmp_path):
    for name, (content, id_map) in FORMATS.items():
        source, target = put(tmp_path / f"{name}.png", content), tmp_path / f"{name} masked.png"
        write_masked_label(source, target, KEEP, id_map=id_map)
        label_map = id_map.apply(read_label_ids(target, id_map))
        assert np.array_equal(label_map, np.where(KEEP, BITS + 5, 255)), name
        before, after = parse_png(source.read_bytes()), parse_png(target.read_bytes())
        assert after.colour_type == before.colour_type, name
        assert after.bit_depth == max(before.bit_depth, 8), name


def test_palette_stays_and_covers_the_ignored_index(tmp_path):
    save(tmp_path / "a.png", BITS, palette=bytes([1, 2, 3, 4, 5, 6]))
    write_masked_label(tmp_path / "a.png", tmp_path / "b.png", KEEP, id_map=TWO)
    with Image.open(tmp_path / "b.png") as image:
        assert image.getpalette()[:6] == [1, 2, 3, 4, 5, 6]
        assert image.convert("RGB").getpixel((1, 0)) == (255, 255, 255)


def test_other_channels_stay(tmp_path):
    content, id_map = FORMATS["red channel with alpha"]
    source = put(tmp_path / "a.png", content)
    write_masked_label(source, tmp_path / "b.png", KEEP, id_map=id_map)
    with Image.open(tmp_path / "b.png") as image:
        assert np.array_equal(np.array(image)[..., 1:], content[..., 1:])


def test_map_of_255_uses_another_ignored_id(tmp_path):
    id_map = IdMap("m", {0: 5, 1: 6, 255: 7}, frozenset({30}))
    source = put(tmp_path / "a.png", BITS)
    write_masked_label(source, tmp_path / "b.png", KEEP, id_map=id_map)
    assert set(np.unique(read_label_ids(tmp_path / "b.png", id_map))) == {0, 1, 30}


def test_mask_of_another_size_is_refused(tmp_path):
    source = put(tmp_path / "a.png", BITS)
    with pytest.raises(LabelError, match=r"\(8, 8\) pixels, the mask for it \(8, 9\)"):
        write_masked_label(source, tmp_path / "b.png", np.ones((8, 9), bool), id_map=TWO)


def test_full_disk_leaves_nothing_behind(tmp_path):
    source, target = put(tmp_path / "a.png", BITS), tmp_path / "out" / "b.png"
    target.parent.mkdir()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"cannot write .*b\.png: File too large.*ulimit -f"):
            write_masked_label(source, target, KEEP, id_map=TWO)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(target.parent.iterdir())


def test_masked_label_replaces_nothing(tmp_path):
    source, target = put(tmp_path / "a.png", BITS), tmp_path / "b.png"
    target.symlink_to(tmp_path / "victim")
    with pytest.raises(StoreError, match=r"cannot write .*b\.png: File exists"):
        write_masked_label(source, target, KEEP, id_map=TWO)
    assert not (tmp_path / "victim").exists()


COLOUR_MAP = '[colours]\n"#800000" = "road"\n"#008000" = "sky"\n'


def colours_only(tmp_path, more=""):
    (tmp_path / "c.toml").write_text(more + COLOUR_MAP)
    return resolve_id_map(str(tmp_path / "c.toml"), CAMVID)


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (7, 200)])
def test_map_of_colours_reads_a_palette_whatever_its_order(tmp_path, order):
    road, sky = order
    palette = np.zeros((256, 3), np.uint8)
    palette[road], palette[sky] = (128, 0, 0), (0, 128, 0)
    samples = full(road)
    samples[4:] = sky
    save(tmp_path / "a.png", samples, palette=palette.tobytes())
    id_map = colours_only(tmp_path)
    label_map = id_map.apply(read_label_ids(tmp_path / "a.png", id_map))
    assert (label_map[0, 0], label_map[7, 7]) == (3, 0)


def test_map_of_colours_reads_black_and_white_of_any_depth(tmp_path):
    (tmp_path / "c.toml").write_text('[colours]\n"#000000" = "road"\n"#ffffff" = "car"\n')
    id_map = resolve_id_map(str(tmp_path / "c.toml"), CAMVID)
    mask = full(0)
    mask[4:] = 1
    (tmp_path / "one.png").write_bytes(packed_png(mask, 1))
    save(tmp_path / "eight.png", mask * 255)
    maps = [id_map.apply(read_label_ids(tmp_path / f"{n}.png", id_map)) for n in ("one", "eight")]
    assert np.array_equal(*maps)
    assert (maps[0][0, 0], maps[0][7, 7]) == (3, 8)


def test_masked_palette_label_is_ignored_by_a_map_of_colours(tmp_path):
    palette = bytes([128, 0, 0, 0, 128, 0]) + bytes(3 * 254)
    save(tmp_path / "a.png", full(1), palette=palette)
    id_map, keep = colours_only(tmp_path), full(0, dtype=bool)
    keep[:2] = True
    write_masked_label(tmp_path / "a.png", tmp_path / "b.png", keep, id_map=id_map)
    label_map = id_map.apply(read_label_ids(tmp_path / "b.png", id_map))
    assert (np.unique(label_map[:2]).tolist(), np.unique(label_map[2:]).tolist()) == ([0], [255])


@pytest.mark.parametrize("suffix", ["tif", "bmp"])
def test_labels_of_other_kinds_are_read_and_masked(tmp_path, suffix):
    id_map = resolve_id_map(None, CAMVID)
    save(tmp_path / f"a.{suffix}", full(3))
    assert np.unique(read_label_ids(tmp_path / f"a.{suffix}", id_map)).tolist() == [3]
    keep = full(0, dtype=bool)
    keep[0] = True
    write_masked_label(tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}", keep, id_map=id_map)
    raw = read_label_ids(tmp_path / f"b.{suffix}", id_map)
    assert (np.unique(raw[0]).tolist(), np.unique(raw[1:]).tolist()) == ([3], [255])
    with Image.open(tmp_path / f"b.{suffix}") as image:
        assert image.format == {"tif": "TIFF", "bmp": "BMP"}[suffix]


def test_label_that_was_compressed_with_loss_is_refused(tmp_path):
    save(tmp_path / "a.webp", full((3, 3, 3)))
    with pytest.raises(LabelError, match="WebP compressed with loss") as caught:
        read_label_ids(tmp_path / "a.webp", resolve_id_map(None, CAMVID))
    assert caught.value.code == "unreadable_label"
