"""Copies of an unfinished subset, kept on the disk so that an interrupted export can go on."""

from __future__ import annotations

import errno
import filecmp
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from curate import errors
from curate.files import atomic
from curate.selection import placement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.reporting import Reporter

_FILES: Final = "files"
_UNFINISHED: Final = "unfinished"
_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.EMLINK)


class KeptCopies:
    """Whole copies of original files, under their paths in the subset.

    Parameters
    ----------
    folder : Path
        Exists, and is on the disk of the subset.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, original: str, relative: str, target: str) -> None:
        """Copy a file to `target`, unless an earlier call did: then its copy is taken.

        What was copied earlier is compared with the original, byte by byte.

        Raises
        ------
        FileExistsError
            If something is at `target`.
        """
        kept = placement.join_inside(self.folder / _FILES, relative)
        if not (os.path.isfile(kept) and filecmp.cmp(original, kept, shallow=False)):  # noqa: PTH113
            unfinished = self.folder / _UNFINISHED
            unfinished.unlink(missing_ok=True)
            placement.copy(original, str(unfinished))
            Path(kept).parent.mkdir(parents=True, exist_ok=True)
            unfinished.replace(kept)
        try:
            os.link(kept, target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            placement.copy(kept, target)


@contextmanager
def keep_copies(out: Path, *, resume: bool, reporter: Reporter) -> Iterator[KeptCopies]:
    """Keep copies beside a subset until it is whole; of an interrupted export they stay.

    Parameters
    ----------
    out : Path
        Where the subset will be.
    resume : bool
        Whether copies of an earlier call are taken; otherwise they are removed.

    Raises
    ------
    StoreError
        If something else lies there, or another process works on it.
    """
    folder = out.with_name(f".{out.name}.copies")
    if os.path.lexists(folder) and not _is_ours(folder):
        msg = f"{folder} is not what an interrupted export left. Move it away."
        raise errors.StoreError(msg)
    with atomic.claim_folder(folder, out):
        if not resume:
            atomic.remove_folder(folder / _FILES)
        try:
            yield KeptCopies(folder)
        except KeyboardInterrupt:
            reporter.warn(f"Interrupted; what was copied is kept in {folder} for --resume.")
            raise
        except BaseException:
            atomic.remove_folder(folder)
            raise
        atomic.remove_folder(folder)


def _is_ours(folder: Path) -> bool:
    """Tell whether a folder is one that `keep_copies` made."""
    if folder.is_symlink() or not folder.is_dir() or (folder / _FILES).is_symlink():
        return False
    return {path.name for path in folder.iterdir()} <= {_FILES, _UNFINISHED}
