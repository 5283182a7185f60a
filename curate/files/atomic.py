"""Files and folders that are on disk either as they were or complete and new, never in between.

Everything is written aside, under ``.<name>.partial-<owner>`` in the same folder, forced to the
disk, and renamed. Its owner holds a lock on it, so that others can tell what a killed process left
aside: the next one that writes to the folder removes it, whatever its own file is called.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import secrets
import shutil
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from curate.errors import StoreError
from curate.files.locks import Lock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_ASIDE: Final = re.compile(
    r"\.(?P<name>.+)\.(?P<role>partial|previous)"
    r"-(?P<pid>\d+)-(?P<host>[0-9a-f]{8})-[0-9a-f]{8}"
)
"""Names of what lies aside; process and host count only where the disk has no locks."""


_NO_RIGHT: Final = "Change its permissions, or name a place where you may write."
_FULL: Final = "Free some space, or write to another disk; what is there already stays intact."
_TAKEN: Final = "Something of that name is there already: remove it, or name another path."

_ADVICE: Final[dict[int, str]] = {
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
    errno.ELOOP: "It is a link, which is not written through: remove it, or name another path.",
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
        raise StoreError(_explain(error, task, path)) from error


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
    with disk_errors("write", path):
        if sweep:
            remove_stale(path)
        with _aside(path) as partial:
            yield partial
            _sync(partial)
            partial.replace(path)
        _sync(path.parent)


@contextmanager
def replacing_folder(
    path: Path, *, overwrite: bool = True, written: Collection[Path] | None = None
) -> Iterator[Path]:
    """Yield an empty folder to fill; at the end of the block it becomes `path`.

    An earlier folder at `path` is moved aside, then removed. Should the process be killed between
    the two renames, the next call moves the earlier folder back first.

    Parameters
    ----------
    path : Path
    overwrite : bool
        Whether something may be at `path`, even if it came there since the block began.
    written : collection of Path, optional
        Files whose content is new by the end of the block, and is forced to the disk. All files
        by default; links to files that were there before need not be among them.

    Raises
    ------
    StoreError
        On any `OSError` in the block or in here: `path` is then as it was before.
    """
    path = Path(os.path.realpath(path))
    with disk_errors("write", path):
        remove_stale(path)
        with _aside(path, is_folder=True) as partial:
            yield partial
            _sync_tree(partial, written)
            if overwrite and path.exists():
                _swap(partial, path)
            else:
                partial.rename(path)
        _sync(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the content of `path` as a whole."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def create_file(path: Path, content: bytes | bytearray = b"", *, exist_ok: bool = False) -> None:
    """Write a new file under its own name, through no link that somebody left there.

    Parameters
    ----------
    exist_ok : bool
        Whether an ordinary file may be there, which is left as it is.

    Raises
    ------
    StoreError
        If anything else is there already, or the disk does not let us.
    """
    with disk_errors("write", path):
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (0 if exist_ok else os.O_EXCL)
        handle = os.open(path, flags, 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        except OSError:
            _remove(path)
            raise


def is_aside(name: str, own: Callable[[str], object]) -> bool:
    """Tell whether a file was set aside by `replacing` for a name that `own` knows."""
    match = _ASIDE.fullmatch(name)
    return match is not None and bool(own(match["name"]))


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Raises
    ------
    StoreError
        If the file cannot be read, or is no ordinary one.
    """
    with disk_errors("read", path):
        if path.exists() and not path.is_file():  # to read a pipe, or a device, has no end
            raise OSError(errno.EINVAL, "it is no ordinary file", str(path))
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def check_writable(folder: Path) -> None:
    """Make sure, before hours of work, that files can be written to `folder`; create it if needed.

    Raises
    ------
    StoreError
        If the folder cannot be created or written to.
    """
    with disk_errors("write to", folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _aside(folder / "check") as partial:
            partial.write_bytes(b"\0" * 4096)


def remove_stale(path: Path) -> None:
    """Remove what dead processes left in the folder of `path`; bring back what they had set aside.

    Raises
    ------
    StoreError
        If the folder cannot be listed, or what was set aside cannot be brought back.
    """
    if not path.parent.is_dir():
        return
    with disk_errors("clear up in", path.parent):
        with os.scandir(path.parent) as entries:
            found = [match for entry in entries if (match := _ASIDE.fullmatch(entry.name))]
        for match in sorted(found, key=lambda match: match[0]):
            _clear_up(path.parent, match)


def remove_folder(path: Path) -> None:
    """Remove a folder at one stroke: it is renamed first, so that no half of it stays behind."""
    with disk_errors("remove", path):
        if path.exists():
            aside = _neighbour(path, "partial")
            path.rename(aside)
            _remove(aside)


def claim(path: Path, what: Path) -> Lock:
    """Lock `path`, which stands for `what`, a thing that one process at a time may work on.

    Raises
    ------
    StoreError
        If another process has locked it, or it cannot be opened.
    """
    with disk_errors("lock", path):
        lock = Lock(path)
    if lock.is_ours is False:
        lock.close()
        msg = f"{what} is in use by another process. Wait for it, or stop it first."
        raise StoreError(msg)
    return lock


def claim_folder(path: Path, what: Path) -> Lock:
    """Make a folder, where there is none, and lock it; see `claim`.

    Another process may be removing it just now: then it is made again.
    """
    while True:
        with disk_errors("write to", path):
            path.mkdir(exist_ok=True)
        try:
            return claim(path, what)
        except StoreError:
            if path.exists():
                raise


@contextmanager
def _aside(path: Path, *, is_folder: bool = False) -> Iterator[Path]:
    """Make a file or folder beside `path` that is this process's; at the end it is gone."""
    partial, lock = _make_aside(path, is_folder=is_folder)
    try:
        yield partial
    finally:
        _remove(partial)
        lock.close()


def _make_aside(path: Path, *, is_folder: bool) -> tuple[Path, Lock]:
    """Make and lock a neighbour of `path`; another process may clear it up before it is locked."""
    while True:
        partial = _neighbour(path, "partial")
        if is_folder:
            partial.mkdir()
        else:
            partial.touch(exist_ok=False)
        with suppress(FileNotFoundError):
            lock = Lock(partial)
            if lock.is_ours is not False:
                return partial, lock
            lock.close()


def _neighbour(path: Path, role: str) -> Path:
    """Name a neighbour of `path` that belongs to this process."""
    owner = f"{os.getpid()}-{_host()}-{secrets.token_hex(4)}"
    return path.with_name(f".{path.name}.{role}-{owner}")


def _host() -> str:
    """Return a short name of this host, in hexadecimal digits."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _clear_up(folder: Path, match: re.Match[str]) -> None:
    """Remove or bring back what lies aside, unless a living process works on it."""
    aside, path = folder / match[0], folder / match["name"]
    try:
        lock = Lock(aside)
    except OSError:
        return  # it has gone, or is another person's
    with lock:
        if lock.is_ours is False or (lock.is_ours is None and _may_be_alive(match)):
            return
        if match["role"] == "previous" and not path.exists():
            aside.rename(path)
        else:
            _remove(aside)


def _may_be_alive(match: re.Match[str]) -> bool:
    """Guess, where there are no locks, whether the owner of what lies aside is alive."""
    if match["host"] != _host():
        return True
    try:
        os.kill(int(match["pid"]), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _swap(new: Path, path: Path) -> None:
    """Rename `new` to `path`, where something is: it is set aside, then removed."""
    previous = _neighbour(path, "previous")
    with Lock(path):
        try:
            path.rename(previous)
            new.rename(path)
        finally:  # whatever happens, an interruption between any two lines included
            if previous.exists() and not path.exists():
                previous.rename(path)
        previous.rename(new)  # what is half removed must not be brought back
        _remove(new)


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder, as far as it is there and the disk lets us."""
    with suppress(OSError):
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


def describe(error: OSError) -> str:
    """Put an error of the system into words: what failed, why, and what to do."""
    what = error.filename if isinstance(error.filename, str) else "the working folder"
    return f"cannot use {what}: {error.strerror or error}. {_advise(error)}"


def _advise(error: OSError) -> str:
    """Say what to do."""
    return _ADVICE.get(error.errno or 0, "Run again; if it stays, name another path.")


def _explain(error: OSError, task: str, path: Path) -> str:
    """Put an `OSError` into words."""
    cause = f"{error.strerror or error}{_elsewhere(error, path)}"
    return f"cannot {task} {path}: {cause}. {_advise(error)}"


def _elsewhere(error: OSError, path: Path) -> str:
    """Name the file that failed, unless it is `path` itself."""
    if not isinstance(error.filename, str) or error.filename == str(path):
        return ""
    return f" ({error.filename})"
