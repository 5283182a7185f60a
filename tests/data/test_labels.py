from __future__ import annotations

import numpy as np
import pytest

from curate.data.idmaps import IdMap
from curate.data.labels import read_label_ids
from curate.errors import LabelError
from tests.data.making import full, packed_png, save, save_wide

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
