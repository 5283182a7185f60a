"""Layouts: how the folders of well-known data sets are arranged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from curate.data.layouts.base import Evidence, Layout
from curate.data.layouts.camvid import CAMVID
from curate.data.layouts.carla import CARLA
from curate.data.layouts.cityscapes import CITYSCAPES
from curate.data.layouts.folder import FOLDER
from curate.data.layouts.gta5 import GTA5
from curate.data.layouts.synthia import SYNTHIA
from curate.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LAYOUTS", "Evidence", "Layout", "detect_layout", "get_layout"]

LAYOUTS: Final[dict[str, Layout]] = {
    "folder": FOLDER,
    "gta5": GTA5,
    "synthia": SYNTHIA,
    "cityscapes": CITYSCAPES,
    "carla": CARLA,
    "camvid": CAMVID,
}

_MAX_HINTS: Final = 20


def get_layout(name: str) -> Layout:
    """Look up a layout.

    Raises
    ------
    ConfigError
        If there is none of that name; the message lists the names.
    """
    if name not in LAYOUTS:
        hint = did_you_mean(name, LAYOUTS) or f"Use auto, {', '.join(LAYOUTS)}."
        msg = f"layout = '{name}' is not known. {hint}"
        raise ConfigError(msg)
    return LAYOUTS[name]


def detect_layout(root: Path) -> str:
    """Tell which layout the folder `root` has.

    Returns
    -------
    name : str
        Key of `LAYOUTS`: the only specific layout that matches, or else ``folder``.

    Raises
    ------
    DataError
        If no layout matches (code ``unknown_layout``), several do (``ambiguous_layout``), or a
        folder cannot be read (``unreadable_folder``).
    """
    try:
        evidence = {name: layout.examine(root) for name, layout in LAYOUTS.items()}
    except OSError as error:
        msg = f"{error.filename} cannot be opened: {error.strerror}. Make it readable."
        raise DataError(msg, code="unreadable_folder") from error
    matches = [name for name, found in evidence.items() if found.is_match]
    best = [name for name in matches if LAYOUTS[name].is_specific] or matches
    if len(best) == 1:
        return best[0]
    rows = "\n".join(
        f"  {name}: looked for {found.looked_for}; {found.found}"
        for name, found in evidence.items()
    )
    if best:
        msg = (
            f"{root} has several layouts at once: {', '.join(best)}.\n{rows}\n"
            f"Choose one with --layout, for instance --layout {best[0]}."
        )
        raise DataError(msg, code="ambiguous_layout")
    msg = (
        f"{root} has no layout that curate knows.\n{rows}\n"
        f"{_hint(root)}Arrange the files as one of these; links to files and folders will do."
    )
    raise DataError(msg, code="unknown_layout")


def _hint(root: Path) -> str:
    """Name a folder inside `root` that does have a layout."""
    try:
        for folder in sorted(path for path in root.iterdir() if path.is_dir())[:_MAX_HINTS]:
            if any(layout.examine(folder).is_match for layout in LAYOUTS.values()):
                return f"Did you mean {folder}? That one has a known layout. "
    except OSError:  # a hint is not worth an error of its own
        return ""
    return ""
