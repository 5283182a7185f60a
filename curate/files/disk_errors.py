"""Failures of the disk, told as one message each."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from curate.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NO_RIGHT: Final = "Change its permissions, or name a place where you may write."
_FULL: Final = "Free some space, or write to another disk; what is there already stays intact."
_TAKEN: Final = "Something of that name is there already: remove it, or name another path."

ADVICE: Final[dict[int, str]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "Write to a file system without this size limit, or raise the limit (ulimit -f).",
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EROFS: "The disk is mounted read-only: name a place on another one.",
    errno.EIO: "The disk reports a fault: check it (dmesg, smartctl), then run again.",
    errno.ENAMETOOLONG: "Use a shorter name or a shorter path.",
    errno.ENOENT: "Check that the path is spelled right and still there.",
    errno.ENOTDIR: "A part of the path is a file, not a folder: name another path.",
    errno.EISDIR: "It is a folder where a file is needed: name another path.",
    errno.EEXIST: _TAKEN,
    errno.ENOTEMPTY: _TAKEN,
    errno.EMFILE: "Too many files are open: raise the limit (ulimit -n).",
}
"""What to do about an error number."""


@contextmanager
def disk_errors(task: str, path: Path) -> Iterator[None]:
    """Turn every `OSError` of the block into a `StoreError` with path, cause and what to do.

    Parameters
    ----------
    task : str
        What was being done, as it stands in "cannot <task> <path>".
    path : Path
        What it was done to; the error's own file name is added where it is another one.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(explain(error, task, path)) from error


def explain(error: OSError, task: str, path: Path) -> str:
    """Put an `OSError` into words."""
    advice = ADVICE.get(error.errno or 0, "Run again; if it stays, name another path.")
    return f"cannot {task} {path}: {error.strerror or error}{_elsewhere(error, path)}. {advice}"


def _elsewhere(error: OSError, path: Path) -> str:
    """Name the file that failed, unless it is `path` itself."""
    if not isinstance(error.filename, str) or error.filename == str(path):
        return ""
    return f" ({error.filename})"
