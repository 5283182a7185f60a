"""What every export format gets."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import StoreError
from curate.selection.media import IS_NEW, MEDIA
from curate.selection.paths import join_inside

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SubsetItem:
    """One selected image.

    Attributes
    ----------
    id : str
    image, label : str
        Paths of the original files; strings, for there may be millions.
    image_path, label_path : str
        Their paths inside the data set, ``/``-separated.
    keep : (H, W) bool, or None
        Pixels that keep their label; None = all, so that the label stays as it is.
    """

    id: str
    image: str
    label: str
    image_path: str
    label_path: str
    keep: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how the files of a subset are put.

    Attributes
    ----------
    folder : Path
        Where to write now.
    final : Path
        What the folder will be called once it is complete.
    media : str
        Key of `MEDIA`.
    write_masked_label : callable
        ``(source, target, keep)``: copy a label file in its own format with the other pixels
        ignored.
    read_label_map : callable
        Read a label file as class indices, (H, W) uint8, 255 = ignore.
    written : list of Path
        Files whose content is new, unlike that of links to files that were there before.
    """

    folder: Path
    final: Path
    media: str
    write_masked_label: Callable[[Path, Path, NDArray[np.bool_]], None]
    read_label_map: Callable[[Path], NDArray[np.uint8]]
    written: list[Path] = field(default_factory=list)
    _folders: set[str] = field(default_factory=set)

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

    def place(self, source: str, relative: str) -> None:
        """Link or copy an original file into the subset."""
        if self.media == "none":
            return
        target = self._make_room(relative)
        try:
            MEDIA[self.media](source, target)
        except FileExistsError:
            raise _taken(relative) from None
        if self.media in IS_NEW:
            self.written.append(Path(target))

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


def _taken(relative: str) -> StoreError:
    """Say that two files of a subset need the same path."""
    return StoreError(
        f"two files of the subset would both be {relative!a}. Rename one of the images, and score "
        "the data set again."
    )
