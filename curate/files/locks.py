"""Locks on files and folders: they die with their process, whatever ends it.

Unlike process numbers they do not come back for another process, and they hold between containers
and, where a network disk has locks, between hosts.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def try_lock(handle: int) -> bool | None:
    """Lock an open file or folder, for as long as it stays open.

    Returns
    -------
    is_ours : bool or None
        False if another process, or another handle of this one, has locked it; None where the
        system or the disk has no locks.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


class Lock:
    """A lock on what lies at a path, be it a file or a folder, until `close`.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    is_ours : bool or None
        As `try_lock` returns it. False, too, if something else has come to lie at the path.

    Raises
    ------
    OSError
        If nothing is there, or it cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self._handle = -1
        self.is_ours: bool | None = None
        if sys.platform == "win32":
            return  # what is open there can be neither renamed nor removed
        is_folder = path.is_dir() and not path.is_symlink()
        flags = os.O_RDONLY if is_folder else os.O_RDWR
        self._handle = os.open(path, flags | os.O_NOFOLLOW)
        self.is_ours = try_lock(self._handle)
        if self.is_ours and not _is_at(self._handle, path):
            self.is_ours = False

    def close(self) -> None:
        """Give the lock back."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_at(handle: int, path: Path) -> bool:
    """Tell whether an open file still lies at `path`."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
