"""One image, its labels and its scores as a picture."""

from __future__ import annotations

import difflib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate import errors, reporting, texts
from curate.files import atomic
from curate.selection.cuts import expand_cells
from curate.showing import grid_picture, inks, report, scored_sets, sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")
MIN_WIDTH_PX: Final = 320
MAX_WIDTH_PX: Final = 720


@dataclass(frozen=True, slots=True)
class ShowResult:
    """What `show` drew."""

    out: Path

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return {"out": str(self.out)}


def show(
    scores: Path | str | Sequence[Path | str],
    image_id: str,
    *,
    out: Path | str | None = None,
    dataset: Path | str | None = None,
    overwrite: bool = False,
    reporter: reporting.Reporter | None = None,
) -> ShowResult:
    """Draw an image, its labels, its score and the stream that pulled it down side by side.

    Parameters
    ----------
    scores : Path, or several
        Score file with maps; several, of one run, are searched for the image.
    image_id : str
        As in its column ``id``, or in the manifest of a subset of several sets.
    out : Path, optional
        A new picture: ``.png``, ``.jpg`` or ``.webp``. By default the last part of the id, as PNG,
        in the current folder.
    dataset : Path, optional
        Where the data set of the only score file is now, if it was moved.

    Raises
    ------
    UsageError
        If there is no such image, several score files know one, or `out` exists and is not to be
        overwritten.
    DataError
        If image or label cannot be read.
    StoreError
        If the image has no score or no map, or the disk does not let us write.
    """
    reporter = reporter or reporting.default_reporter()
    named = [scores] if isinstance(scores, str | Path) else scores
    with ExitStack() as stack:
        sets = scored_sets.open_sets(stack, named, dataset)
        row = find_row(sets, image_id)
        target = Path(out or f"{texts.printable(image_id.rpartition('/')[2])}.png")
        report.check_out(target, SUFFIXES, overwrite=overwrite)
        reporter.note(f"Scores: {sets.place(row)[0].describe()}")
        heads, panels = draw_panels(sets, row)
        label_map = sets.read_labels(row)
    shown = np.unique(label_map)
    colours = inks.class_colours(sets.classes)
    key = [(n, colours[i]) for i, n in enumerate(sets.classes) if i in shown]
    width = min(max(label_map.shape[1], MIN_WIDTH_PX), MAX_WIDTH_PX)
    picture = grid_picture.draw_grid(
        heads, [grid_picture.GridRow(image_id, panels)], width=width, key=key
    )
    with atomic.replacing(target) as partial, partial.open("wb") as stream:
        kind = {".jpg": "jpeg"}.get(target.suffix.lower(), target.suffix.lower()[1:])
        picture.save(stream, kind)
    return ShowResult(target)


def find_row(sets: scored_sets.ScoredSets, image_id: str) -> int:
    """Find an image by its id, behind its set's name or not, or by the last part of it.

    Raises
    ------
    UsageError
        If there is none, ids that are spelled alike being named, or more than one.
    StoreError
        If it has no score.
    """
    ids = sets.texts("id")
    rows = [row for row, each in enumerate(ids) if each == image_id]
    joint = (f"/{sets.names[s]}/{i}" for s, i in zip(sets.set_of.tolist(), ids, strict=True))
    rows = rows or [row for row, each in enumerate(joint) if each.endswith(f"/{image_id}")]
    files = [own.scores.path for own in sets.sources]
    if not rows:
        alike = difflib.get_close_matches(image_id, ids, 3) or ids[:3]
        know, whose = ("knows", "its") if len(files) == 1 else ("know", "their")
        msg = (
            f"{', '.join(map(str, files))} {know} no image '{image_id}'. Name one of {whose} "
            f"{len(ids):,} ids, such as {', '.join(alike)}."
        )
        raise errors.UsageError(msg)
    found = [f"{ids[row]} of {sets.place(row)[0].scores.path}" for row in rows]
    if len(found) > 1:
        choices = " or ".join(found[:3])
        msg = f"'{image_id}' may be {choices}: write the whole id, its set's name before it."
        raise errors.UsageError(msg)
    row, where = rows[0], sets.place(rows[0])[0].scores.path
    if not sets.is_ok[row]:
        why = f"{sets.texts('status')[row]}: {texts.printable(sets.texts('message')[row])}"
        msg = f"'{image_id}' has no score in {where} ({why}). Mend it and score again."
        raise errors.StoreError(msg)
    return row


def draw_panels(
    sets: scored_sets.ScoredSets, row: int
) -> tuple[list[str], list[NDArray[np.uint8]]]:
    """Draw what is shown of an image, each (H, W, 3), and what each is called.

    Raises
    ------
    StoreError
        If the score file has no maps.
    """
    valid = sheet.valid_cells(sets, row)
    pull = sheet.Ranks(sets).pull(row)
    labels = inks.class_palette(sets.classes)[sets.read_labels(row)]
    found = {"image": sets.read_image(row), "labels": labels}
    size = labels.shape[:2]
    found[f"score {sets.column('score')[row]:.2f}"] = colour_cells(
        sets.score_cells(row), valid, size, sets.about.stride
    )
    cells = sets.stream_cells(row, pull.stream) if pull else None
    if pull is not None and cells is not None:
        name = f"stream {pull.stream} {pull.value:.2f}"
        found[name] = colour_cells(cells, valid, size, sets.about.stride)
    return list(found), list(found.values())


def colour_cells(
    cells: NDArray[np.uint8],
    valid: NDArray[np.bool_] | None,
    size: tuple[int, ...],
    stride: int,
) -> NDArray[np.uint8]:
    """Draw scores times 255 of cells over the pixels of an image, (H, W, 3)."""
    inked = expand_cells(inks.as_ink(cells, valid), size[0], size[1], stride)
    return np.asarray(inks.score_palette()[inked])
