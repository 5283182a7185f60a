"""How original files get into a subset."""

from __future__ import annotations

import errno
import os
import shutil
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from curate.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NOT_HERE: Final = {
    errno.EXDEV: "they are on different disks",
    errno.EPERM: "this disk or system does not allow it",
    errno.ENOTSUP: "this disk does not have it",
    errno.EMLINK: "the file has too many links",
}


def symlink(source: Path, target: Path) -> None:
    """Link to the absolute path of the original."""
    try:
        target.symlink_to(_original(source))
    except OSError as error:
        _explain(error, "symlink", source, target, "copy")
        raise


def hardlink(source: Path, target: Path) -> None:
    """Give the original a second name; both must be on one disk."""
    try:
        target.hardlink_to(_original(source))
    except OSError as error:
        _explain(error, "hardlink", source, target, "symlink or copy")
        raise


def copy(source: Path, target: Path) -> None:
    """Copy the content."""
    with target.open("xb"):
        pass
    shutil.copyfile(source, target)


def leave(source: Path, target: Path) -> None:
    """Put nothing there."""


IS_NEW: Final = frozenset({"copy"})
"""Media that write content, which has to be forced to the disk."""

MEDIA: Final[dict[str, Callable[[Path, Path], None]]] = {
    "symlink": symlink,
    "hardlink": hardlink,
    "copy": copy,
    "none": leave,
}
"""Ways to put an original file, the first argument, at a new path, the second.

Where something is already, they raise `FileExistsError`.
"""


def _original(source: Path) -> str:
    """Return the absolute path of the file itself, which links in the data set may lead to."""
    folder = _real_folder(source.parent)
    path = f"{folder}{os.sep}{source.name}"
    return os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114


@lru_cache(maxsize=1024)
def _real_folder(folder: Path) -> str:
    """Return the real path of a folder; images of one folder come one after the other."""
    return os.path.realpath(folder)


def _explain(error: OSError, media: str, source: Path, target: Path, other: str) -> None:
    """Raise a `StoreError` if another medium would work."""
    if error.errno in _NOT_HERE:
        msg = (
            f"--media {media}: {source} cannot be linked into {target.parent}: "
            f"{_NOT_HERE[error.errno]}. Use --media {other}."
        )
        raise StoreError(msg) from error
