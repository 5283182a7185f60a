"""How original files get into a subset."""

from __future__ import annotations

import errno
import os
import shutil
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
        target.symlink_to(os.path.realpath(source))
    except OSError as error:
        _explain(error, "symlink", source, target, "copy")
        raise


def hardlink(source: Path, target: Path) -> None:
    """Give the original a second name; both must be on one disk."""
    try:
        target.hardlink_to(os.path.realpath(source))
    except OSError as error:
        _explain(error, "hardlink", source, target, "symlink or copy")
        raise


def copy(source: Path, target: Path) -> None:
    """Copy the content."""
    shutil.copyfile(source, target)


def leave(source: Path, target: Path) -> None:
    """Put nothing there."""


MEDIA: Final[dict[str, Callable[[Path, Path], None]]] = {
    "symlink": symlink,
    "hardlink": hardlink,
    "copy": copy,
    "none": leave,
}
"""Ways to put an original file, the first argument, at a new path, the second."""


def _explain(error: OSError, media: str, source: Path, target: Path, other: str) -> None:
    """Raise a `StoreError` if another medium would work."""
    if error.errno in _NOT_HERE:
        msg = (
            f"--media {media}: {source} cannot be linked into {target.parent}: "
            f"{_NOT_HERE[error.errno]}. Use --media {other}."
        )
        raise StoreError(msg) from error
