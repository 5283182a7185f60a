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
_NOT_HERE: Final = {
    errno.EXDEV: "they are on different disks",
    errno.EPERM: "this disk or system does not allow it",
    errno.ENOTSUP: "this disk does not have it",
    errno.EMLINK: "the file has too many links",
}


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


IS_NEW: Final = frozenset({"copy"})
"""Media that write content, which has to be forced to the disk."""

MEDIA: Final[dict[str, Callable[[str, str], None]]] = {
    "symlink": symlink,
    "hardlink": hardlink,
    "copy": copy,
    "none": leave,
}
"""Ways to put an original file, the first argument, at a new path, the second.

Where something is already, they raise `FileExistsError`.
"""


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
