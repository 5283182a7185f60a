"""A lock that keeps a second process out of a folder, and dies with its process."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Final

from curate.errors import StoreError
from curate.store.diskerrors import disk_errors

if TYPE_CHECKING:
    from pathlib import Path

LOCK_NAME: Final = "lock"


class FolderLock:
    """Hold a folder for this process.

    Parameters
    ----------
    folder : Path
        Created if it is not there.

    Raises
    ------
    StoreError
        If another process holds it, or the disk does not let us.
    """

    def __init__(self, folder: Path) -> None:
        with disk_errors("write to", folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o666)
        if not _try_lock(self._handle):
            self.release()
            msg = f"{folder} is in use by another process. Wait for it, or stop it first."
            raise StoreError(msg)

    def release(self) -> None:
        """Let others in."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _try_lock(handle: int) -> bool:
    """Lock an open file for this process, where the system and the disk have locks."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)
    return True
