"""Layouts: how the folders of well-known data sets are arranged, one row of a table each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from curate.data.png import COLOUR_TYPE_PALETTE, peek_colour_type
from curate.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SPLIT: Final = "{split}"
_MAX_HINTS: Final = 20
"""Folders that are looked into for one with a known layout."""


@dataclass(frozen=True)
class Layout:
    """One way to arrange images and labels in folders.

    In patterns, ``{}`` stands for what an image and its label have in common: the rest of their
    paths, folders included, without suffix. ``{split}`` stands for the name of one folder.

    Attributes
    ----------
    image : str
        Pattern of the images' paths below the data set.
    labels : mapping of str to (str or None)
        Pattern of the labels' paths -> built-in id map of such labels, the preferred one first,
        all in one folder; None = the class indices of the class set that is in use.
    class_set : str or None
        Built-in class set that goes with the layout.
    num_digits : int
        If not 0, the first image and the first label are .png files named by so many digits.
    has_palette : bool
        Whether the first label must be a palette PNG; looked at only with `num_digits`.
    is_specific : bool
        Whether a match outdoes the match of a layout that is not specific.
    """

    image: str
    labels: Mapping[str, str | None]
    class_set: str | None = None
    num_digits: int = 0
    has_palette: bool = False
    is_specific: bool = True

    @property
    def folders(self) -> tuple[str, str]:
        """Return the folders of images and labels, as the patterns name them."""
        return _cut(self.image)[0], _cut(next(iter(self.labels)))[0]

    @property
    def image_ending(self) -> str:
        """Return what the stem of every image ends with."""
        return _cut(self.image)[1]

    @property
    def id_maps(self) -> dict[str, str | None]:
        """Return the id map that goes with each ending of a label's stem."""
        return {_cut(pattern)[1]: id_map for pattern, id_map in self.labels.items()}

    def find_folders(self, root: Path) -> list[tuple[str, str]]:
        """List the pairs of an image folder and its label folder that `root` has."""
        images, labels = self.folders
        splits = [""]
        if SPLIT in images:
            splits = sorted(name.name for name in root.iterdir() if not name.name.startswith("."))
        pairs = [(images.replace(SPLIT, split), labels.replace(SPLIT, split)) for split in splits]
        return [pair for pair in pairs if all((root / folder).is_dir() for folder in pair)]

    def examine(self, root: Path) -> tuple[bool, str]:
        """Tell whether `root` has this layout, and what is there, in words."""
        pairs = self.find_folders(root)
        if pairs and self.num_digits:
            return self._examine_first_files(*(root / folder for folder in pairs[0]))
        if SPLIT in self.image:
            found = ", ".join(f"{images}/ and {labels}/" for images, labels in pairs)
            return bool(pairs), found or "no two folders are named so"
        states = {name: "there" if (root / name).is_dir() else "missing" for name in self.folders}
        return bool(pairs), ", ".join(f"{name}/ is {state}" for name, state in states.items())

    def describe(self) -> str:
        """Say what `examine` looks for."""
        details = f" with {1:0{self.num_digits}}.png, .." if self.num_digits else ""
        details += "; labels are palette PNGs" if self.has_palette else ""
        return " and ".join(f"{folder}/" for folder in self.folders) + details

    def _examine_first_files(self, images: Path, labels: Path) -> tuple[bool, str]:
        """Tell whether names and palette of the first image and the first label are as required."""
        image, label = (_first_file(folder) for folder in (images, labels))
        if not all(self._has_digits(name) for name in (image, label)):
            return False, f"first image '{image}', first label '{label}'"
        is_palette = peek_colour_type(labels / label) == COLOUR_TYPE_PALETTE
        found = f"first label '{label}' {'has a' if is_palette else 'without a'} palette"
        return is_palette or not self.has_palette, found

    def _has_digits(self, name: str) -> bool:
        """Tell whether a file name is `num_digits` digits and .png."""
        stem, _, suffix = name.rpartition(".")
        return stem.isdecimal() and len(stem) == self.num_digits and suffix.lower() == "png"


LAYOUTS: Final = {
    "folder": Layout("images/{}", {"labels/{}": None}, is_specific=False),
    "gta5": Layout(
        "images/{}", {"labels/{}": "gta5"}, "cityscapes19", num_digits=5, has_palette=True
    ),
    "synthia": Layout("RGB/{}", {"GT/LABELS/{}": "synthia"}, "synthia16"),
    "cityscapes": Layout(
        "leftImg8bit/{}_leftImg8bit",
        {
            "gtFine/{}_gtFine_labelIds": "cityscapes",
            "gtFine/{}_gtFine_labelTrainIds": "cityscapes19",
        },
        "cityscapes19",
    ),
    "carla": Layout("CameraRGB/{}", {"CameraSeg/{}": "carla"}),
    "camvid": Layout("{split}/{}", {"{split}annot/{}": "camvid"}, "camvid11"),
}
"""Name, as ``--layout`` takes it, to layout."""


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
        found = {name: layout.examine(root) for name, layout in LAYOUTS.items()}
    except OSError as error:
        msg = f"{error.filename} cannot be opened: {error.strerror}. Make it readable."
        raise DataError(msg, code="unreadable_folder") from error
    matches = [name for name, (is_match, _) in found.items() if is_match]
    best = [name for name in matches if LAYOUTS[name].is_specific] or matches
    if len(best) == 1:
        return best[0]
    rows = "\n".join(
        f"  {name}: looked for {LAYOUTS[name].describe()}; {what}"
        for name, (_, what) in found.items()
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


def _cut(pattern: str) -> tuple[str, str]:
    """Split a pattern into its folder and the ending of its stems."""
    folder, _, ending = pattern.partition("/{}")
    return folder, ending


def _first_file(folder: Path) -> str:
    """Return the first name in `folder` that is not hidden, '' if there is none."""
    return min((name for name in os.listdir(folder) if not name.startswith(".")), default="")  # noqa: PTH208


def _hint(root: Path) -> str:
    """Name a folder inside `root` that has a known layout."""
    try:
        for folder in sorted(path for path in root.iterdir() if path.is_dir())[:_MAX_HINTS]:
            if any(layout.examine(folder)[0] for layout in LAYOUTS.values()):
                return f"Did you mean {folder}? That one has a known layout. "
    except OSError:  # a hint is not worth an error of its own
        return ""
    return ""
