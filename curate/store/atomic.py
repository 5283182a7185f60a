"""Files and folders that are on disk either as they were or complete and new, never in between.

Everything is written aside, under ``.<name>.partial-<pid>`` in the same folder, forced to the
disk, and renamed. What a killed process left aside is removed by the next one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from curate.store.diskerrors import disk_errors

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


@contextmanager
def replacing(path: Path, *, sweep: bool = True) -> Iterator[Path]:
    """Yield a path to write to; at the end of the block, what was written becomes `path`.

    Parameters
    ----------
    path : Path
        A file, or where one shall be; its folder must exist. A symbolic link is followed.
    sweep : bool
        Whether to look for what dead processes left; needs a listing of the folder.

    Raises
    ------
    StoreError
        On any `OSError` in the block or in here: `path` is then as it was before.
    """
    path = Path(os.path.realpath(path))
    partial = _aside(path, "partial")
    with disk_errors("write", path):
        if sweep:
            remove_stale(path)
        try:
            yield partial
            _sync(partial)
            partial.replace(path)
        except BaseException:
            _remove(partial)
            raise
        _sync(path.parent)


@contextmanager
def replacing_folder(path: Path, *, written: Collection[Path] | None = None) -> Iterator[Path]:
    """Yield an empty folder to fill; at the end of the block it becomes `path`.

    An earlier folder at `path` is moved aside, then removed. Should the process be killed between
    the two renames, the next call moves the earlier folder back first.

    Parameters
    ----------
    written : collection of Path, optional
        Files whose content is new by the end of the block, and is forced to the disk. All files
        by default; links to files that were there before need not be among them.

    Raises
    ------
    StoreError
        On any `OSError` in the block or in here: `path` is then as it was before.
    """
    path = Path(os.path.realpath(path))
    partial = _aside(path, "partial")
    with disk_errors("write", path):
        remove_stale(path)
        try:
            partial.mkdir()
            yield partial
            _sync_tree(partial, written)
            _swap(partial, path)
        except BaseException:
            _remove(partial)
            raise
        _sync(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the content of `path` as a whole."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def check_writable(folder: Path) -> None:
    """Make sure, before hours of work, that files can be written to `folder`; create it if needed.

    Raises
    ------
    StoreError
        If the folder cannot be created or written to.
    """
    with disk_errors("write to", folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * 4096)
            file.flush()


def remove_stale(path: Path) -> None:
    """Remove what dead processes left beside `path`; bring back a folder that one had set aside."""
    with disk_errors("clear up beside", path):
        for partial in _left_by_dead(path, "partial"):
            _remove(partial)
        for previous in _left_by_dead(path, "previous"):
            if path.exists():
                _remove(previous)
            else:
                previous.rename(path)


def remove_folder(path: Path) -> None:
    """Remove a folder at one stroke: it is renamed first, so that no half of it stays behind."""
    with disk_errors("remove", path):
        if path.exists():
            aside = _aside(path, "partial")
            path.rename(aside)
            _remove(aside)


def _aside(path: Path, role: str) -> Path:
    """Name a neighbour of `path` that belongs to this process."""
    return path.with_name(f".{path.name}.{role}-{os.getpid()}")


def _left_by_dead(path: Path, role: str) -> list[Path]:
    """List the neighbours of `path` that no other living process owns."""
    prefix = f".{path.name}.{role}-"
    if not path.parent.is_dir():
        return []
    found = []
    with os.scandir(path.parent) as entries:
        for entry in entries:
            pid = entry.name.removeprefix(prefix)
            if pid != entry.name and pid.isdecimal() and not _is_another_alive(int(pid)):
                found.append(Path(entry.path))
    return sorted(found)


def _is_another_alive(pid: int) -> bool:
    """Tell whether `pid` is a living process other than this one."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _swap(new: Path, path: Path) -> None:
    """Rename `new` to `path`; what was there is set aside, then removed."""
    previous = _aside(path, "previous")
    if path.exists():
        path.rename(previous)
    try:
        new.rename(path)
    except BaseException:
        if previous.exists():
            previous.rename(path)
        raise
    _remove(previous)


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder, as far as it is there and the disk lets us."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _sync_tree(folder: Path, written: Collection[Path] | None) -> None:
    """Force the files that were written, or all of them, and every folder to the disk."""
    for file in written or ():
        _sync(file)
    for where, _, names in os.walk(folder):
        for name in names if written is None else ():
            file = Path(where, name)
            if not file.is_symlink():
                _sync(file)
        _sync(Path(where))


def _sync(path: Path) -> None:
    """Force a file's content, or a folder's entries, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
