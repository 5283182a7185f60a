from __future__ import annotations

import doctest
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import curate.scores.alignment
from curate.errors import UsageError
from curate.scores.alignment import align_scores
from curate.selection.cuts import expand_cells

CELLS = np.array([[0, 51, 102], [153, 204, 255]], np.uint8)  # 0, .2, .4 / .6, .8, 1
WHOLE = {"height": 3, "width": 5, "stride": 2}  # the last row and column of cells are cut off


def tenths(scores):
    assert scores.dtype == np.float32
    return np.round(scores.astype(float) * 10, 4).tolist()


def test_examples_hold():
    assert doctest.testmod(curate.scores.alignment).failed == 0


def test_whole_image_repeats_cells_and_cuts_off_the_last():
    assert tenths(align_scores(CELLS, **WHOLE)) == [
        [0, 0, 2, 2, 4],
        [0, 0, 2, 2, 4],
        [6, 6, 8, 8, 10],
    ]


def test_crop_counts_in_pixels_of_the_original():
    assert tenths(align_scores(CELLS, **WHOLE, crop=(1, 1, 2, 3))) == [[0, 2, 2], [6, 8, 8]]


def test_flip_mirrors_the_crop_and_not_the_image():
    scores = align_scores(CELLS, **WHOLE, crop=(1, 1, 2, 3), hflip=True)
    assert tenths(scores) == [[2, 2, 0], [8, 8, 6]]


def test_half_size_takes_the_score_at_the_centre_of_each_output_pixel():
    # Columns: centres 1 and 3 of 4 pixels; row: centre 1 of 2.
    scores = align_scores(CELLS, **WHOLE, crop=(0, 0, 2, 4), size=(1, 2))
    assert tenths(scores) == [[0, 2]]
    # Crop from 1: centres 2 and 4, the beginnings of the second and third cell.
    scores = align_scores(CELLS, **WHOLE, crop=(2, 1, 1, 4), size=(1, 2))
    assert tenths(scores) == [[8, 10]]


def test_double_size_repeats_pixels():
    scores = align_scores(CELLS, **WHOLE, crop=(0, 1, 1, 2), size=(1, 4))
    assert tenths(scores) == [[0, 0, 2, 2]]


def test_bilinear_is_linear_between_centres_and_constant_beyond():
    # Centres of the columns: 1, 3 and 4.5 (cut off); pixels are at .5, 1.5, 2.5, 3.5, 4.5.
    scores = align_scores(CELLS, **WHOLE, crop=(0, 0, 1, 5), resize="bilinear")
    assert tenths(scores) == [[0, 0.5, 1.5, 2.6667, 4]]
    # Centres of the rows: 1 and 2.5 (cut off).
    scores = align_scores(CELLS, **WHOLE, crop=(0, 0, 3, 1), resize="bilinear")
    assert tenths(scores) == [[0], [2], [6]]


def test_one_cell_is_constant():
    for resize in ("nearest", "bilinear"):
        scores = align_scores(
            np.array([[51]], np.uint8), height=1, width=2, stride=4, size=(2, 3), resize=resize
        )
        assert tenths(scores) == [[2, 2, 2], [2, 2, 2]]


def score_at(cells, height, width, stride, y, x, resize):
    """Score at a position in an image, one at a time."""
    if resize == "nearest":
        return cells[math.floor(y / stride), math.floor(x / stride)] / 255

    def centres(length):
        return [(b + min(b + stride, length)) / 2 for b in range(0, length, stride)]

    rows = [np.interp(float(x), centres(width), row / 255) for row in cells]
    return np.interp(float(y), centres(height), rows)


@st.composite
def requests(draw):
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    crop = (top, left, draw(st.integers(1, height - top)), draw(st.integers(1, width - left)))
    return height, width, crop, (draw(st.integers(1, 12)), draw(st.integers(1, 12)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(
    request=requests(),
    stride=st.integers(1, 5),
    hflip=st.booleans(),
    resize=st.sampled_from(["nearest", "bilinear"]),
    seed=st.integers(0, 99),
)
def test_every_pixel_has_the_score_at_its_centre(request, stride, hflip, resize, seed):
    height, width, crop, size = request
    shape = (-(-height // stride), -(-width // stride))
    cells = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    found = align_scores(
        cells, height=height, width=width, stride=stride, size=size, crop=crop, hflip=hflip,
        resize=resize,
    )  # fmt: skip
    expected = np.empty(size)
    for i in range(size[0]):
        for j in range(size[1]):
            y = crop[0] + Fraction((2 * i + 1) * crop[2], 2 * size[0])
            x = crop[1] + Fraction((2 * j + 1) * crop[3], 2 * size[1])
            column = size[1] - 1 - j if hflip else j
            expected[i, column] = score_at(cells, height, width, stride, y, x, resize)
    if resize == "nearest":
        np.testing.assert_array_equal(found, expected.astype(np.float32))
    else:
        np.testing.assert_allclose(found, expected, atol=1e-6)


@given(height=st.integers(1, 9), width=st.integers(1, 9), stride=st.integers(1, 4))
def test_whole_image_agrees_with_expanded_cells(height, width, stride):
    cells = np.arange(-(-height // stride) * -(-width // stride), dtype=np.uint8)
    cells = cells.reshape(-(-height // stride), -1)
    scores = align_scores(cells, height=height, width=width, stride=stride)
    expected = expand_cells(cells, height, width, stride)
    np.testing.assert_array_equal(np.rint(scores * 255), expected)


@pytest.mark.parametrize(
    "crop", [(-1, 0, 2, 2), (0, 0, 4, 5), (0, 4, 1, 2), (0, 0, 0, 2), (0, 0, 1, 0), (3, 0, 1, 1)]
)
def test_crops_beyond_the_image_are_refused(crop):
    with pytest.raises(UsageError, match=r"is not inside an image of 3x5"):
        align_scores(CELLS, **WHOLE, crop=crop)


def test_empty_sizes_and_unknown_ways_to_resize_are_refused():
    with pytest.raises(UsageError, match="holds no pixel"):
        align_scores(CELLS, **WHOLE, size=(0, 3))
    with pytest.raises(UsageError, match="use one of nearest, bilinear"):
        align_scores(CELLS, **WHOLE, resize="cubic")
