from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
from PIL import Image

from curate.showing import inks


def decode(address):
    kind, _, content = address.partition(";base64,")
    assert kind.startswith("data:image/")
    return Image.open(BytesIO(base64.b64decode(content)))


def test_map_is_picked_at_the_centres():
    values = np.arange(16).reshape(4, 4)
    assert inks.pick(values, 2).tolist() == [[5, 7], [13, 15]]
    assert inks.pick(values, 9) is not None
    assert inks.pick(values, 9).tolist() == values.tolist()


def test_image_is_shrunk_by_averaging():
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[:, 2:] = 200
    assert inks.shrink(pixels, 2)[0, :, 0].tolist() == [0, 200]
    assert inks.shrink(pixels, 4) is pixels


def test_highest_score_is_not_taken_for_no_score():
    cells = np.array([[0, 254, 255, 255]], np.uint8)
    valid = np.array([[True, True, True, False]])
    assert inks.as_ink(cells, valid).tolist() == [[0, 253, 254, 255]]
    assert inks.as_ink(cells).max() == 254


def test_scores_are_drawn_dark_to_bright():
    picture = decode(inks.score_png(np.array([[0, 254, 255]], np.uint8))).convert("RGB")
    low, high, ignored = (picture.getpixel((x, 0)) for x in range(3))
    assert sum(low) < sum(high)
    assert ignored == inks.IGNORED


def test_classes_have_colours_of_their_own():
    names = ["road", "sky", *map(str, range(40))]
    colours = inks.class_colours(names)
    assert len(set(colours)) == len(names)
    assert colours[0] == inks.USUAL["road"]
    palette = inks.class_palette(names)
    assert tuple(palette[1]) == inks.USUAL["sky"]
    assert tuple(palette[255]) == inks.IGNORED


def test_labels_are_drawn_in_the_colours_of_their_classes():
    palette = inks.class_palette(["road", "sky"])
    picture = decode(inks.class_png(np.array([[0, 1, 255]], np.uint8), palette)).convert("RGB")
    expected = [inks.USUAL["road"], inks.USUAL["sky"], inks.IGNORED]
    assert [picture.getpixel((x, 0)) for x in range(3)] == expected


def test_colours_are_stretched_to_a_span():
    cells = np.array([[0, 102, 128, 153, 255]], np.uint8)  # 0, .4, .5, .6, 1
    assert inks.as_ink(cells, span=(0.4, 0.6)).tolist() == [[0, 0, 129, 254, 254]]
