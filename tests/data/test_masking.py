from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate.data.idmaps import IdMap
from curate.data.labels import read_label_ids
from curate.data.masking import write_masked_label
from curate.data.png import parse_png
from curate.errors import LabelError, StoreError
from tests.data.making import full, packed_png, save, wide_png

IDS = np.tile(np.array([0, 1], np.uint8), (8, 4))
KEEP = np.arange(64).reshape(8, 8) % 3 == 0
PLAIN = IdMap("plain", {0: 5, 1: 6})
FIRST = IdMap("first", {0: 5, 1: 6}, channel="first")
COLOURS = IdMap("colours", {}, colours={(0, 9, 9): 5, (1, 9, 9): 6})
NINE = full(9)

FORMATS = {
    # samples as saved by Pillow, or a whole file; the id map
    "grey": (IDS, PLAIN),
    "grey with alpha": (np.stack([IDS, NINE], 2), PLAIN),
    "1 bit": (packed_png(IDS, 1), PLAIN),
    "4 bit": (packed_png(IDS, 4), PLAIN),
    "palette of 4 bits": (packed_png(IDS, 4, colour_type=3, palette=bytes(range(48))), PLAIN),
    "16-bit grey": (IDS.astype(np.uint16), PLAIN),
    "16-bit colour": (wide_png(np.stack([IDS, NINE, NINE], 2).astype(np.uint16)), FIRST),
    "16-bit colour with alpha": (wide_png(np.stack([IDS] * 4, 2).astype(np.uint16)), PLAIN),
    "grey in colour": (np.stack([IDS] * 3, 2), PLAIN),
    "grey in colour with alpha": (np.stack([IDS, IDS, IDS, NINE], 2), PLAIN),
    "red channel": (np.stack([IDS, NINE, NINE], 2), FIRST),
    "red channel with alpha": (np.stack([IDS, NINE, NINE, NINE], 2), FIRST),
    "colours": (np.stack([IDS, NINE, NINE], 2), COLOURS),
    "colours with alpha": (np.stack([IDS, NINE, NINE, IDS], 2), COLOURS),
}


def put(path, content):
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        save(path, content)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_kept_pixels_stay_and_others_are_ignored(tmp_path, name):
    content, id_map = FORMATS[name]
    source, target = put(tmp_path / "a.png", content), tmp_path / "b.png"
    write_masked_label(source, target, KEEP, id_map=id_map)
    label_map = id_map.apply(read_label_ids(target, id_map))
    assert np.array_equal(label_map, np.where(KEEP, IDS + 5, 255))


@pytest.mark.parametrize("name", FORMATS)
def test_format_stays(tmp_path, name):
    content, id_map = FORMATS[name]
    source, target = put(tmp_path / "a.png", content), tmp_path / "b.png"
    write_masked_label(source, target, KEEP, id_map=id_map)
    before, after = parse_png(source.read_bytes()), parse_png(target.read_bytes())
    assert after.colour_type == before.colour_type
    assert after.bit_depth == max(before.bit_depth, 8)


def test_palette_stays_and_covers_the_ignored_index(tmp_path):
    save(tmp_path / "a.png", IDS, palette=bytes([1, 2, 3, 4, 5, 6]))
    write_masked_label(tmp_path / "a.png", tmp_path / "b.png", KEEP, id_map=PLAIN)
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
    source = put(tmp_path / "a.png", IDS)
    write_masked_label(source, tmp_path / "b.png", KEEP, id_map=id_map)
    assert set(np.unique(read_label_ids(tmp_path / "b.png", id_map))) == {0, 1, 30}


def test_mask_of_another_size_is_refused(tmp_path):
    source = put(tmp_path / "a.png", IDS)
    with pytest.raises(LabelError, match=r"\(8, 8\) pixels, the mask for it \(8, 9\)"):
        write_masked_label(source, tmp_path / "b.png", np.ones((8, 9), bool), id_map=PLAIN)


def test_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    source, target = put(tmp_path / "a.png", IDS), tmp_path / "out" / "b.png"
    target.parent.mkdir()

    def fail(self, other):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StoreError, match=r"b\.png cannot be written: No space left"):
        write_masked_label(source, target, KEEP, id_map=PLAIN)
    assert not list(target.parent.iterdir())
