"""The picture that the demo ends with: image, labels, score and truth, row by row."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from curate.files import atomic
from curate.showing import grid_picture, inks, scored_sets, sheet, show

if TYPE_CHECKING:
    from pathlib import Path

HEADS: Final = ("image", "labels", "score", "truth")
NUM_ROWS: Final = 3
PANEL_PX: Final = 208
_COLOURS: Final = 256


def draw_truth_sheet(scores: Path, truth: Path, out: Path) -> None:
    """Draw images evenly spaced by score, from the lowest to the highest, beside the truth.

    Parameters
    ----------
    scores : Path
        Score file with maps.
    truth : Path
        Folder of ``<name>.png``, 255 where a pixel is sound, 0 where it is corrupted.
    out : Path
        A PNG, in which the colours of scores mean the same for the truth.
    """
    with ExitStack() as stack:
        sets = scored_sets.open_sets(stack, [scores])
        order = sheet.Ranks(sets).order
        count = min(NUM_ROWS, len(order))
        rows = order[np.linspace(0, len(order) - 1, count).round().astype(int)].tolist()
        ids = sets.texts("id")
        drawn = []
        for row in rows:
            _, panels = show.draw_panels(sets, row)
            with Image.open(truth / f"{ids[row].rpartition('/')[2]}.png") as mask:
                is_sound = np.asarray(mask) == 255
            is_true = inks.score_palette()[np.where(is_sound, inks.NO_SCORE - 1, 0)]
            drawn.append(grid_picture.GridRow("", [*panels[:3], is_true]))
    key = list(zip(sets.classes, inks.class_colours(sets.classes), strict=True))
    ends = inks.score_palette()[[inks.NO_SCORE - 1, 0]].tolist()
    key += [(name, tuple(end)) for name, end in zip(("sound", "corrupted"), ends, strict=True)]
    picture = grid_picture.draw_grid(HEADS, drawn, width=PANEL_PX, key=key)
    with atomic.replacing(out) as partial, partial.open("wb") as stream:
        picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(stream, "png", optimize=True)
