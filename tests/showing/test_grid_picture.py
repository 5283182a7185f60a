from __future__ import annotations

import numpy as np

from curate.showing.grid_picture import GAP_PX, GridRow, draw_grid, shorten

RED, BLUE = (200, 10, 10), (10, 10, 200)


def panel(colour, size=(10, 20)):
    return np.full((*size, 3), colour, np.uint8)


def test_panels_stand_under_their_heads():
    picture = draw_grid(["one", "two"], [GridRow("", [panel(RED), panel(BLUE)])], width=100)
    assert picture.width == 2 * 100 + 3 * GAP_PX
    y = picture.height - GAP_PX - 25
    assert picture.getpixel((GAP_PX + 50, y)) == RED
    assert picture.getpixel((2 * GAP_PX + 150, y)) == BLUE
    assert picture.getpixel((GAP_PX + 104, y)) == (255, 255, 255)


def test_rows_keep_their_proportions():
    rows = [GridRow("", [panel(RED, (10, 20))]), GridRow("", [panel(RED, (20, 20))])]
    heights = [draw_grid(["x"], [row], width=100).height for row in rows]
    assert heights[1] - heights[0] == 50
    both = draw_grid(["x"], rows, width=100).height
    assert both == heights[1] + 50 + GAP_PX


def test_key_wraps_and_shows_its_colours():
    key = [(f"class {number}", BLUE) for number in range(12)]
    plain = draw_grid(["x"], [GridRow("", [panel(RED)])], width=300)
    keyed = draw_grid(["x"], [GridRow("", [panel(RED)])], width=300, key=key)
    below = np.asarray(keyed)[plain.height :]
    assert (below == BLUE).all(axis=-1).any()
    assert keyed.height - plain.height > 60  # several lines


def test_names_of_strangers_are_spelled_out_and_cut_off():
    assert shorten("a\nb") == "a\\nb"
    long = shorten("x" * 500 + "end")
    assert (len(long), long[:2], long[-3:]) == (120, "..", "end")
    draw_grid(["\x00"], [GridRow("\ud83d\x07" * 100, [panel(RED)])], width=50)
