"""The sheet: images with the lowest and the highest scores and some at random, as rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from curate import errors, seeding
from curate.scores import schema
from curate.showing import inks, scored_sets

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_ROWS: Final = 12
"""Of each kind."""
WIDTH_PX: Final = 384
"""Of the images of a row; labels and maps are smaller, and need no more."""
MAP_WIDTH_PX: Final = 192


@dataclass(frozen=True, slots=True)
class Pull:
    """The stream that pulled an image down: the one in which it ranks lowest.

    Attributes
    ----------
    stream : str
    value : float
        Its score of the image.
    share_above : float
        Share of the images that it scores higher.
    """

    stream: str
    value: float
    share_above: float


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One image of the sheet; addresses are empty where there is no picture.

    Attributes
    ----------
    row : int
        Of the image among those of all sets.
    place : int
        Counted from the lowest score, 1 is the lowest.
    problem : str
        Why there is no picture, or no label; empty where all is there.
    """

    row: int
    place: int
    image: str = ""
    labels: str = ""
    scores: str = ""
    pulled: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Ranks:
    """How the images of all sets rank.

    Attributes
    ----------
    span : (float, float)
        Scores that get the first and the last colour.
    """

    sets: scored_sets.ScoredSets
    span: tuple[float, float] = inks.WHOLE

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Return the score of each image, (N,), NaN where there is none."""
        return np.where(self.sets.is_ok, self.sets.column("score"), np.nan)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Return the rows of the scored images, the lowest score first."""
        order = np.argsort(self.scores, kind="stable")
        return order[: int((~np.isnan(self.scores)).sum())]

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Return the place of each image from the lowest score, from 1; 0 without a score."""
        places = np.zeros(self.sets.num_images, np.int64)
        places[self.order] = np.arange(1, len(self.order) + 1)
        return places

    @cached_property
    def _by_stream(self) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Return the scores of each active stream, and the scored ones in order."""
        found = {}
        for name in self.sets.active_streams:
            values = np.where(self.sets.is_ok, self.sets.column(schema.stream_column(name)), np.nan)
            found[name] = values, np.sort(values[~np.isnan(values)])
        return found

    def pull(self, row: int) -> Pull | None:
        """Tell which stream pulled an image down; None without streams."""
        pulls = []
        for name, (values, ordered) in self._by_stream.items():
            if not math.isnan(values[row]):
                above = len(ordered) - int(np.searchsorted(ordered, values[row], side="right"))
                pulls.append(Pull(name, float(values[row]), above / max(len(ordered) - 1, 1)))
        return max(pulls, key=lambda pull: pull.share_above, default=None)

    def choose(self, seed: int = 0) -> dict[str, list[int]]:
        """Choose the images of the sheet, as many of each set.

        Returns
        -------
        rows : dict of str to list of int
            ``lowest``, lowest first; ``random``, lowest first; ``highest``, highest first.
        """
        share = -(-NUM_ROWS // len(self.sets.sources))
        chosen: dict[str, list[int]] = {"lowest": [], "random": [], "highest": []}
        for index in range(len(self.sets.sources)):
            own = self.order[self.sets.set_of[self.order] == index]
            count = min(share, -(-len(own) // 3))
            middle = own[count : max(len(own) - count, count)]
            rng = seeding.stable_rng(seed, "sheet", index)
            chosen["lowest"] += own[:count].tolist()
            chosen["random"] += rng.permutation(middle)[:count].tolist()
            chosen["highest"] += own[count:][-count:].tolist()
        for kind, rows in chosen.items():
            rows.sort(key=lambda row: self.places[row], reverse=kind == "highest")
        return chosen


def draw_row(ranks: Ranks, row: int) -> SheetRow:
    """Read and draw what belongs to an image; what cannot be read is said, not raised."""
    sets, pull = ranks.sets, ranks.pull(row)
    drawn: dict[str, str] = {}
    problems = []
    try:
        drawn["image"] = inks.jpeg(inks.shrink(sets.read_image(row), WIDTH_PX))
    except errors.CurateError as error:
        problems.append(str(error))
    try:
        label_map = inks.pick(sets.read_labels(row), WIDTH_PX)
        drawn["labels"] = inks.class_png(label_map, inks.class_palette(sets.classes))
    except errors.CurateError as error:
        if str(error) not in problems:
            problems.append(str(error))
    if sets.has_maps("pixel"):
        valid = valid_cells(sets, row)
        drawn["scores"] = draw_cells(sets.score_cells(row), valid, ranks.span)
        cells = sets.stream_cells(row, pull.stream) if pull else None
        if cells is not None:
            drawn["pulled"] = draw_cells(cells, valid)
    return SheetRow(row, int(ranks.places[row]), **drawn, problem=" ".join(problems))


def valid_cells(sets: scored_sets.ScoredSets, row: int) -> NDArray[np.bool_] | None:
    """Tell which cells of an image have a class; None where that is not known."""
    if not sets.has_maps("region"):
        return None
    return scored_sets.is_valid(sets.region_cells(row, "class_id"))


def draw_cells(
    cells: NDArray[np.uint8],
    valid: NDArray[np.bool_] | None,
    span: tuple[float, float] = inks.WHOLE,
) -> str:
    """Draw scores times 255, (h, w)."""
    return inks.score_png(inks.pick(inks.as_ink(cells, valid, span), MAP_WIDTH_PX))
