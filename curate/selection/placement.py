"""Where the files of a subset go, and how original files get there."""

from __future__ import annotations

import errno
import os
import re
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from curate.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from curate.data.idmaps import IdMap
    from curate.selection.source import SubsetSource

_LEADS_OUT: Final = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|\0" + ("" if os.sep == "/" else r"|[:\\]"))

_NOT_HERE: Final = {
    errno.EXDEV: "they are on different disks",
    errno.EPERM: "this disk or system does not allow it",
    errno.ENOTSUP: "this disk does not have it",
    errno.EMLINK: "the file has too many links",
}


def join_inside(folder: Path | str, relative: str) -> str:
    """Append a ``/``-separated path to a folder.

    Raises
    ------
    StoreError
        If it is absolute, empty, or has an empty, ``.`` or ``..`` part or a NUL character.
    """
    if _LEADS_OUT.search(relative):
        msg = (
            f"the score file holds the path {relative!a}, which leads out of the data set. "
            "Score the data set again; do not use this file."
        )
        raise StoreError(msg)
    return f"{folder}/{relative}"


def symlink(source: str, target: str) -> None:
    """Link to the absolute path of the original."""
    try:
        os.symlink(_original(source), target)  # noqa: PTH211
    except OSError as error:
        _explain(error, "symlink", source, target, "copy")
        raise


def hardlink(source: str, target: str) -> None:
    """Give the original, an absolute path, a second name; both must be on one disk."""
    try:
        if os.link in os.supports_dir_fd:
            # A descriptor, which no absolute path makes use of, is what lets it follow links.
            os.link(source, target, src_dir_fd=0)
        else:
            os.link(_original(source), target)
    except OSError as error:
        _explain(error, "hardlink", source, target, "symlink or copy")
        raise


def copy(source: str, target: str) -> None:
    """Copy the content."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o666))
    shutil.copyfile(source, target)


def leave(source: str, target: str) -> None:
    """Put nothing there."""


MEDIA: Final[dict[str, Callable[[str, str], None]]] = {
    "symlink": symlink,
    "hardlink": hardlink,
    "copy": copy,
    "none": leave,
}
"""Ways to put an original file, the first argument, at a new path, the second.

Where something is already, they raise `FileExistsError`.
"""


@dataclass(frozen=True, slots=True)
class SubsetItem:
    """One selected image.

    Attributes
    ----------
    id : str
        Begins with `Placement.prefix`.
    image_path, label_path : str
        Paths inside the data set, ``/``-separated.
    keep : (H, W) bool, or None
        Pixels that keep their label; None = all, so that the label stays as it is.
    """

    id: str
    image_path: str
    label_path: str
    keep: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True)
class Placement:
    """Puts the files of a subset in place.

    Attributes
    ----------
    source : SubsetSource
        The data set that original files and labels are taken from.
    folder : Path
        Where to write now.
    final : Path
        What the folder will be called once it is complete.
    media : str
        Key of `MEDIA`.
    written : list of Path
        Files whose content is new, unlike that of links to files that were there before.
    prefix : str
        Folder of the data set in a subset of several, ``gta5/``; empty in a subset of one.
    """

    source: SubsetSource
    folder: Path
    final: Path
    media: str
    written: list[Path] = field(default_factory=list)
    prefix: str = ""
    _folders: set[str] = field(default_factory=set)

    def turn_to(self, source: SubsetSource, prefix: str) -> Placement:
        """Go on with the images of another data set of the same subset."""
        return replace(self, source=source, prefix=prefix)

    def own_path(self, path: str) -> str:
        """Return where a file has its own name: its path in the data set, below its folder."""
        return f"{self.prefix}{path}"

    def original(self, path: str) -> str:
        """Return where a file of the data set is; `check_paths` made sure that it is inside."""
        return f"{self.source.root}/{path}"

    def place(self, path: str, relative: str) -> None:
        """Link or copy a file of the data set into the subset."""
        if self.media == "none":
            return
        target = self._make_room(relative)
        try:
            MEDIA[self.media](self.original(path), target)
        except FileExistsError:
            raise _taken(relative) from None
        if self.media == "copy":
            self.written.append(Path(target))

    def mask_label(self, path: str, keep: NDArray[np.bool_], id_map: IdMap | None = None) -> None:
        """Write a label of the data set with the other pixels ignored, under its own path.

        It is read with the data set's id map, or with another one.
        """
        id_map = id_map or self.source.id_map
        self.source.write_masked_label(path, self.new_file(self.own_path(path)), keep, id_map)

    def new_file(self, relative: str) -> Path:
        """Return where a new file of the subset goes, and make the folders above it.

        Raises
        ------
        StoreError
            If the path leads out of the subset, or another image has put a file there.
        """
        target = Path(self._make_room(relative))
        if os.path.lexists(target):
            raise _taken(relative)
        self.written.append(target)
        return target

    def final_path(self, relative: str) -> str:
        """Return the path that a file of the subset will have."""
        return join_inside(self.final, relative)

    def _make_room(self, relative: str) -> str:
        """Make the folders above a path of the subset."""
        target = join_inside(self.folder, relative)
        folder = target.rpartition("/")[0]
        if folder not in self._folders:
            try:
                Path(folder).mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise _taken(relative) from None
            self._folders.add(folder)
        return target


class Format(ABC):
    """An export format: writes the selected images one after the other.

    Parameters
    ----------
    placement : Placement
        Of the first data set; where there are several, their images come one set after the other,
        and `placement` is that of the set at hand.
    """

    needs_label_maps: ClassVar[bool] = False
    """Whether labels are rewritten as class indices."""

    places_only: ClassVar[bool] = False
    """Whether, where no label is rewritten, original files are placed and nothing else is done."""

    media: ClassVar[tuple[str, ...]] = tuple(MEDIA)
    """Keys of `MEDIA` that make sense."""

    def __init__(self, placement: Placement) -> None:
        self.placement = placement

    @abstractmethod
    def add(self, item: SubsetItem) -> None:
        """Write one image and its label."""

    def finish(self) -> None:
        """Write what can be written only once all images are known."""
        return


def _taken(relative: str) -> StoreError:
    """Say that two files of a subset need the same path."""
    return StoreError(
        f"two files of the subset would both be {relative!a}. Rename one of the images, and score "
        "the data set again."
    )


def _original(source: str) -> str:
    """Return the absolute path of the file itself, which links in the data set may lead to."""
    folder, _, name = source.rpartition("/")
    path = f"{_real_folder(folder)}/{name}"
    return os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114


@lru_cache(maxsize=1024)
def _real_folder(folder: str) -> str:
    """Return the real path of a folder; images of one folder come one after the other."""
    return os.path.realpath(folder)


def _explain(error: OSError, media: str, source: str, target: str, other: str) -> None:
    """Raise a `StoreError` if another medium would work."""
    if error.errno in _NOT_HERE:
        msg = (
            f"--media {media}: {source} cannot be linked into {target.rpartition('/')[0]}: "
            f"{_NOT_HERE[error.errno]}. Use --media {other}."
        )
        raise StoreError(msg) from error
