from __future__ import annotations

import numpy as np
import pytest
import tifffile

from curate.data import images
from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.data.pairs import read_pair
from curate.data.ranges import resolve_range
from curate.dataset_config import DatasetConfig
from tests.data.making import full, save

CAMVID = resolve_classes("camvid11")
RAMP = np.linspace(1000, 3000, 64 * 64).reshape(64, 64).astype(np.uint16)


def draw(root, ramp=RAMP, count=3):
    for n in range(count):
        save(root / f"images/{n}.png", ramp)
        save(root / f"labels/{n}.png", full(3, size=ramp.shape))
    return root


def open_it(root, **reading):
    return open_dataset(DatasetConfig(path=root, **reading), classes=CAMVID)


def first_image(source):
    return read_pair(source, source.pairs[0]).image[0].numpy()


def test_12_bit_images_fill_the_range(tmp_path):
    source = open_it(draw(tmp_path))
    low, high = source.value_range
    assert abs(low - 1002) < 2
    assert abs(high - 2998) < 2
    image = first_image(source)
    assert len(np.unique(image)) == 256
    assert abs(int(image[32, 0]) - 128) <= 1


def test_a_few_dead_pixels_do_not_decide(tmp_path):
    ramp = RAMP.copy()
    ramp[0, :2] = 65535
    assert open_it(draw(tmp_path, ramp)).value_range[1] < 3100


def test_all_images_of_a_set_are_scaled_alike(tmp_path):
    root = draw(tmp_path)
    save(root / "images/9.png", np.full((64, 64), 2000, np.uint16))
    save(root / "labels/9.png", full(3, size=(64, 64)))
    source = open_it(root)
    image = read_pair(source, source.pairs[-1]).image
    assert np.unique(image).tolist() == [127] or np.unique(image).tolist() == [128]


def test_two_values_are_taken_as_they_are(tmp_path):
    source = open_it(draw(tmp_path), range=(1000, 2000))
    image = first_image(source)
    assert (image[0, 0], image[-1, -1]) == (0, 255)
    assert image[16, 0] in (127, 128)


def test_full_is_all_that_the_bits_can_hold(tmp_path):
    source = open_it(draw(tmp_path), range="full")
    assert source.value_range is None
    assert first_image(source).max() == 12  # 3000 of 65535


def test_images_of_8_bits_have_no_range(tmp_path):
    source = open_it(draw(tmp_path, (RAMP // 16).astype(np.uint8)))
    assert source.value_range is None


def test_temperatures_are_read_from_fractions(tmp_path):
    (tmp_path / "images").mkdir()
    celsius = (np.linspace(-10, 40, 64 * 64).reshape(64, 64)).astype(np.float32)
    celsius[0, 0] = np.nan
    tifffile.imwrite(tmp_path / "images/0.tif", celsius)
    save(tmp_path / "labels/0.png", full(3, size=(64, 64)))
    source = open_it(tmp_path)
    assert source.value_range == pytest.approx((-9.95, 39.95), abs=0.1)
    assert abs(int(first_image(source)[32, 0]) - 128) <= 1


def test_constant_images_have_a_range_of_one(tmp_path):
    source = open_it(draw(tmp_path, np.full((64, 64), 900, np.uint16)))
    assert source.value_range == (900, 901)


def test_unreadable_images_do_not_matter(tmp_path):
    root = draw(tmp_path)
    (root / "images/0.png").write_bytes((root / "images/1.png").read_bytes()[:60])
    assert resolve_range("auto", root, open_it(root).pairs) is not None


def test_scale_worked_out_by_hand():
    samples = np.array([[0, 10, 15, 20, 99]], np.uint16)
    assert images.scale(samples, 10, 20).tolist() == [[0, 0, 128, 255, 255]]
    assert images.scale(samples.astype(float), 10, 20).tolist() == [[0, 0, 128, 255, 255]]
