"""Recognise the layout of a data set from some of its files."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from curate.data import shards
from curate.data.layouts import LAYOUTS, listing, suggestions
from curate.errors import ConfigError, DataError, did_you_mean
from curate.remote import scandir

if TYPE_CHECKING:
    import os
    import re
    from collections.abc import Mapping
    from pathlib import Path

    from curate.data.layouts.layout import Layout

MAX_FOLDER_FILES: Final = 200
"""Entries of a folder that are looked at."""
MAX_FILES: Final = 20_000
"""Files of a data set that are looked at."""
_MAX_TRIED: Final = 64
"""Images that a label is looked for."""
_NUM_PAIRED: Final = 8
"""Images with a label that are enough to tell that a layout fits."""
_MAX_HINTS: Final = 20
"""Folders that are looked into for one with a known layout."""


class Match(NamedTuple):
    """How a layout fits the files of a sample.

    Attributes
    ----------
    num_images : int
        Paths that its pattern of images fits.
    paired : tuple of str
        Some of them that have a label.
    has_folders : bool
        Whether its folders of images and labels are there, whatever is in them.
    """

    num_images: int = 0
    paired: tuple[str, ...] = ()
    has_folders: bool = False


class Folders(dict[str, bool]):
    """Whether folders below a data set are there, each looked up once."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root

    def __missing__(self, folder: str) -> bool:
        self[folder] = found = (self.root / folder).is_dir()
        return found


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


def detect_layout(root: Path, only: re.Pattern[str] | None = None) -> str:
    """Tell which layout the folder `root` has.

    Parameters
    ----------
    only : Pattern, optional
        What the paths of files have to begin with.

    Returns
    -------
    name : str
        Key of `LAYOUTS`: of those that fit, a specific one, or else the one that says most.

    Raises
    ------
    DataError
        If no layout fits (code ``unknown_layout``), several do that have other images
        (``ambiguous_layout``), or a folder cannot be read (``unreadable_folder``).
    """
    sample = [path for path in take_sample(root) if only is None or only.match(path)]
    folders = Folders(root)
    found = {name: match(layout, sample, folders) for name, layout in LAYOUTS.items()}
    fitting = _choose(found, folders) or _choose_by_folders(found)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        rows = "\n".join(
            f"  {name}: {found[name].num_images:,} images in {LAYOUTS[name].describe()}"
            for name in fitting
        )
        msg = (
            f"{root} has several layouts at once:\n{rows}\nChoose one: layout = '{fitting[0]}' "
            f"in curate.toml, or --layout {fitting[0]} of score, check and audit."
        )
        raise DataError(msg, code="ambiguous_layout")
    msg = (
        f"{root} has no layout that curate knows. {_hint(root)}{suggestions.suggest(root, sample)}"
    )
    raise DataError(msg, code="unknown_layout")


def take_sample(root: Path) -> list[str]:
    """List files below `root`, but of a large folder only some; sorted."""
    found = listing.walk(root, _read_some, max_members=MAX_FOLDER_FILES)
    return sorted(islice(found, MAX_FILES))


def match(layout: Layout, sample: list[str], folders: Folders) -> Match:
    """Find out how a layout fits the files of a sample."""
    image, labels = layout.image_pattern, layout.label_patterns
    if not folders[image.folder]:
        return Match()
    fitting = []
    for path in sample:
        if shards.is_inside(path) != layout.is_sharded:
            continue
        stem, _, suffix = path.rpartition(".")
        suffix = suffix.lower()
        is_label = any(
            suffix in label.own_suffixes and label.match(stem) is not None for label in labels
        )
        may_be_image = suffix in image.own_suffixes and (not is_label or layout.is_container)
        if may_be_image and image.match(stem) is not None:
            fitting.append(path)
    step = max(1, len(fitting) // _MAX_TRIED)
    paired = (path for path in fitting[::step] if _has_pair(layout, path, folders))
    has_folders = image.folder != "" and any(
        label.folder not in ("", image.folder) and folders[label.folder] for label in labels
    )
    return Match(len(fitting), tuple(islice(paired, _NUM_PAIRED)), has_folders)


def _has_pair(layout: Layout, path: str, folders: Folders) -> bool:
    """Tell whether an image has a label, and both are what the layout requires."""
    names, stem = layout.image_pattern.names, path.rpartition(".")[0]
    values = layout.image_pattern.match(stem)
    if values is None:
        return False
    tries = [values]
    if len(names) > 1:
        tries.append(layout.image_pattern.match(stem, is_greedy=True) or values)
    elif "/" in values[0]:
        tries.append((values[0].rpartition("/")[2],))
    for label in layout.label_patterns:
        for stem in (label.fill(names, value) for value in tries):
            if not layout.is_sharded and not folders[stem.rpartition("/")[0]]:
                continue
            for suffix in label.own_suffixes:
                files = (f"{stem}.{suffix}", f"{stem}.{suffix.upper()}")
                if any(
                    shards.size_of(folders.root / f) >= 0 and layout.admits(folders.root, path, f)
                    for f in files
                ):
                    return True
    return False


def _choose(found: Mapping[str, Match], folders: Folders) -> list[str]:
    """Choose the layouts that fit best: one, or several that have other images each."""
    fitting = [name for name, how in found.items() if how.paired]
    fitting = [name for name in fitting if LAYOUTS[name].is_specific] or fitting
    ordered = sorted(fitting, key=lambda name: -LAYOUTS[name].weight)
    best: list[str] = []
    for name in ordered:
        if not any(_share(found, name, other, folders) for other in best):
            best.append(name)
    return best


def _share(found: Mapping[str, Match], one: str, other: str, folders: Folders) -> bool:
    """Tell whether two layouts pair any image in common."""
    return any(
        _has_pair(LAYOUTS[first], path, folders)
        for first, second in ((one, other), (other, one))
        for path in found[second].paired
    )


def _choose_by_folders(found: Mapping[str, Match]) -> list[str]:
    """Choose the layout of which at least the folders are there, so that errors speak of it."""
    fitting = [name for name, how in found.items() if how.has_folders and not LAYOUTS[name].needs]
    plain = [name for name in fitting if not LAYOUTS[name].num_digits]
    return sorted(plain, key=lambda n: (LAYOUTS[n].is_specific, LAYOUTS[n].weight))[:1]


def _read_some(folder: Path) -> list[os.DirEntry[str]]:
    """Return up to `MAX_FOLDER_FILES` entries of a folder."""
    try:
        with scandir(folder) as entries:
            return list(islice(entries, MAX_FOLDER_FILES))
    except OSError as error:
        msg = f"{folder} cannot be opened: {error.strerror}. Make it readable, or leave it out."
        raise DataError(msg, code="unreadable_folder") from error


def _hint(root: Path) -> str:
    """Name a folder inside `root` that has a known layout."""
    try:
        for folder in sorted(path for path in root.iterdir() if path.is_dir())[:_MAX_HINTS]:
            sample = take_sample(folder)
            inside = Folders(folder)
            if any(match(layout, sample, inside).paired for layout in LAYOUTS.values()):
                return f"Did you mean {folder}? That one has a known layout. "
    except (OSError, DataError):  # a hint is not worth an error of its own
        return ""
    return ""
