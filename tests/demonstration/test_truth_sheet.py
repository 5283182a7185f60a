from __future__ import annotations

import numpy as np
from PIL import Image

from curate.demonstration.truth_sheet import HEADS, PANEL_PX, draw_truth_sheet
from curate.showing import inks
from curate.showing.grid_picture import GAP_PX
from tests.showing.making import SIZE, write_set


def test_scores_stand_beside_the_truth_in_the_same_colours(tmp_path):
    scores = write_set(tmp_path, "city", {"a": 1.0, "b": 0.0})
    (tmp_path / "truth").mkdir()
    left, right = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    left[:, :12] = right[:, 12:] = 255
    for name, truth in (("a", left), ("b", right)):
        Image.fromarray(truth).save(tmp_path / "truth" / f"{name}.png")
    draw_truth_sheet(scores, tmp_path / "truth", tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    columns = [
        pixels[:, GAP_PX + i * (PANEL_PX + GAP_PX) :][:, :PANEL_PX] for i in range(len(HEADS))
    ]
    height = round(PANEL_PX * SIZE[0] / SIZE[1])
    rows = [slice(40 + i * (height + GAP_PX), 20 + height + i * (height + GAP_PX)) for i in (0, 1)]
    sound, corrupted = (inks.score_palette()[i].astype(int) for i in (254, 0))
    for row, expected in zip(rows, ((corrupted, sound), (sound, corrupted)), strict=True):
        for column in columns[2:]:  # b, the lowest, is first: its right half is sound
            for place, colour in zip((20, PANEL_PX - 20), expected, strict=True):
                assert np.abs(column[row, place] - colour).max() < 12
