import numpy as np
import pytest
from PIL import Image

from curate.checking.examination import examine
from curate.data.dataset import open_dataset
from curate.data.png import encode_png
from curate.records import ClassSet
from tests.checking import making

CLASSES = ClassSet("custom", ("a", "b"))


@pytest.fixture
def look(tmp_path):
    """Store an image and a label, and look at them."""

    def store(label, image=None, *, is_deep=False, suffix="png"):
        for name in ("images", "labels"):
            (tmp_path / name).mkdir(exist_ok=True)
        size = label.shape[:2] if isinstance(label, np.ndarray) else (8, 8)
        image = np.zeros((*size, 3), np.uint8) if image is None else image
        Image.fromarray(image).save(tmp_path / f"images/0.{suffix}")
        data = encode_png(label) if isinstance(label, np.ndarray) else label
        (tmp_path / "labels/0.png").write_bytes(data)
        source = open_dataset(tmp_path, layout="folder", classes=CLASSES)
        return examine(source, source.pairs[0], is_deep=is_deep)

    return store


def halves(left, right, **kind):
    """A label of 8x8 pixels, 24 of them `left`."""
    label = np.zeros((8, 8), **kind)
    label[:, :3], label[:, 3:] = left, right
    return label


def test_ids_of_8_bits_are_counted(look):
    found = look(halves(1, 255, dtype=np.uint8))
    assert (found.code, found.label_kind, found.label_bits) == ("ok", "grey", 8)
    assert found.ids == {1: 24, 255: 40}


def test_ids_of_16_bits_are_counted(look):
    found = look(halves(7, 40000, dtype=np.uint16))
    assert (found.label_bits, found.ids) == (16, {7: 24, 40000: 40})


def test_colours_are_counted_most_frequent_first(look):
    label = np.zeros((8, 8, 3), np.uint8)
    label[:, :3], label[:, 3:] = (70, 0, 9), (70, 1, 2)
    found = look(label)
    assert list(found.colours.items()) == [("#460102", 40), ("#460009", 24)]
    assert (found.num_colours, found.ids) == (2, {70: 64})


def test_grey_in_three_channels_has_no_colours(look):
    found = look(np.repeat(halves(1, 2, dtype=np.uint8)[..., None], 3, axis=2))
    assert (found.num_colours, found.ids) == (0, {1: 24, 2: 40})


def test_palette_is_told_for_indices_that_occur(look, tmp_path):
    making.save_palette(halves(0, 2, dtype=np.uint8), tmp_path / "p.png", [[1, 2, 3]] * 3)
    found = look((tmp_path / "p.png").read_bytes())
    assert (found.label_kind, found.palette) == ("palette", {0: "#010203", 2: "#010203"})


def test_light_look_does_not_decode_the_image(look):
    found = look(halves(0, 1, dtype=np.uint8))
    assert (found.phash, found.spread, found.is_deep) == ("", -1.0, False)


def test_spread_is_the_deviation_of_grey(look):
    image = np.repeat(halves(0, 0, dtype=np.uint8)[..., None], 3, axis=2)
    image[:, :4], image[:, 4:] = 100, 120
    found = look(halves(0, 1, dtype=np.uint8), image, is_deep=True)
    assert found.spread == 10.0
    assert (len(found.phash), len(found.thumbnail)) == (16, 512)


def test_equal_files_have_equal_digests(look):
    one, other = look(halves(0, 1, dtype=np.uint8)), look(halves(1, 1, dtype=np.uint8))
    assert one.digest == other.digest != ""
    assert look(halves(0, 1, dtype=np.uint8), np.full((8, 8, 3), 9, np.uint8)).digest != one.digest


def test_sizes_that_differ_are_an_error_in_the_readers_words(look):
    found = look(halves(0, 1, dtype=np.uint8), np.zeros((8, 16, 3), np.uint8))
    assert found.code == "size_mismatch"
    assert "8x8 pixels, its image 8x16" in found.message
