"""Files at URLs as local ones: copies of what is read; what is written, sent there whole."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from curate import errors, job, remote, texts
from curate.files import atomic
from curate.remote import client, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_pools: Final[dict[Path, ThreadPoolExecutor]] = {}

T = TypeVar("T")

_NUM_THREADS: Final = 8
_BYTES_PER_S: Final = 2**20
"""A transfer that is slower for long counts as failed."""
_UPLOADS: Final[dict[str, dict[str, int]]] = {"s3": {"chunksize": 2**23, "max_concurrency": 8}}
"""How a client cuts what it sends."""

_final: Final[dict[Path, remote.RemotePath]] = {}
"""Local path that is written to -> where it is going to be."""
_copied: Final[dict[Path, dict[remote.RemotePath, Future[None]]]] = {}
"""Local path that is written to -> what is copied to where it is going to be, in the store."""


def cache_folder() -> Path:
    """Return the folder of this person's copies of remote files."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "curate"


def fetch(path: Path, places: Sequence[Path] | None = None) -> Path:
    """Return a local path: `path`, or of a remote file or folder a copy, made once a version.

    Parameters
    ----------
    places : sequence of Path, optional
        Files and folders of one remote folder that belong to `path`, as far as they are there; by
        default itself.

    Raises
    ------
    StoreError
        If nothing is there, or the store or the disk does not let us.
    """
    if not isinstance(path, remote.RemotePath):
        return path
    found = [each for place in places or [path] for each in _files(place)]
    if not found:
        msg = f"{path} does not exist. See whether the name is right."
        raise errors.StoreError(msg)
    versions = [(str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in found]
    copies = cache_folder() / "copies" / _digest(str(path))
    folder = copies / _digest(repr(versions))
    if not folder.exists():
        with atomic.disk_errors("write to", copies):
            copies.mkdir(parents=True, exist_ok=True)
        with atomic.replacing_folder(folder) as partial:
            for each in found:
                _download(each, partial / each.relative_to(path.parent))
        for old in copies.iterdir():
            if old != folder and not old.name.startswith("."):
                with suppress(errors.StoreError):
                    atomic.remove_folder(old)
    return folder / path.name


def remember(path: Path, read: Callable[[Path], dict[str, T]]) -> dict[str, T]:
    """Read something off a file; of a remote one only once a version, on this disk.

    Parameters
    ----------
    read : callable
        Returns what JSON can hold.
    """
    if not isinstance(path, remote.RemotePath):
        return read(path)
    about = path.stat()
    kept = cache_folder() / "seen" / _digest(f"{path}\0{about.st_size}\0{about.st_mtime_ns}")
    with suppress(OSError, ValueError):
        known: dict[str, T] = texts.parse_json(kept.read_bytes())
        return known
    found = read(path)
    with suppress(OSError, errors.StoreError):  # then it is read again
        kept.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(kept, json.dumps(found).encode())
    return found


@contextmanager
def staged(
    out: Path,
    list_places: Callable[[Path], Sequence[Path]] = lambda path: [path],
    *,
    last: str = "",
    overwrite: bool = False,
    resume: bool = False,
) -> Iterator[Path]:
    """Yield a local path in place of a remote one; what is there by the end is sent and removed.

    Interrupted, it stays, and the next call with `resume` goes on with it.

    Parameters
    ----------
    list_places : callable
        From a path to the files or folders that belong to it; the first is sent last, as it is
        what tells that all are there.
    last : str
        Name of the file of a folder that is sent last.
    overwrite, resume : bool
        Whether something may be at `out`.

    Raises
    ------
    UsageError
        If something is there and may not be.
    StoreError
        If the store or the disk does not let us.
    """
    if not isinstance(out, remote.RemotePath):
        yield out
        return
    if not job.this_process().is_alone:
        msg = f"{out} is written by one process, not under torchrun: name a place on a disk."
        raise errors.UsageError(msg)
    tree.forget()
    there = [each for place in list_places(out) for each in _files(place)]
    if out.is_dir() and there and overwrite and not any(each.name == last for each in there):
        msg = f"{out} has no {last}, so it is nothing of ours: it is not replaced."
        raise errors.UsageError(msg)
    if there and not (overwrite or resume):
        msg = (
            f"{out} exists: replace it with --overwrite, or name another; fit and score go on "
            "with --resume."
        )
        raise errors.UsageError(msg)
    folder = cache_folder() / "staged" / _digest(str(out))
    with atomic.disk_errors("write to", folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic.claim_folder(folder, out):
        local = folder / out.name
        if there and resume and not any(folder.iterdir()):
            for each in there:
                _download(each, folder / each.relative_to(out.parent))
        with ThreadPoolExecutor(_NUM_THREADS) as pool:
            _final[local], _copied[local], _pools[local] = out, {}, pool
            try:
                yield local
                _send(local, out, list_places, last, there)
            finally:
                pool.shutdown(cancel_futures=True)
                del _final[local], _copied[local], _pools[local]
        atomic.remove_folder(folder)


def _send(
    local: Path,
    out: remote.RemotePath,
    list_places: Callable[[Path], Sequence[Path]],
    last: str,
    there: Sequence[remote.RemotePath],
) -> None:
    """Send what was written, and remove what was there before and has no successor."""
    for copy in _copied[local].values():
        copy.result()
    sent = set(_copied[local])
    for place in reversed(list_places(local)):
        files = sorted(place.rglob("*"), key=lambda f: (f.name == last, f)) or [place]
        for file in files:
            if file.is_file() and not file.name.startswith("."):
                target = out.parent / file.relative_to(local.parent)
                _upload(file, target)
                sent.add(target)
    for old in there if sent else ():
        if old not in sent:
            client.request("remove", str(old), "rm_file", client.place_of(str(old)))
    tree.forget()


def copy_to(folder: Path, source: remote.RemotePath, relative: str) -> bool:
    """Copy a file inside a store, to a folder that `staged` sends there, which waits for it.

    Returns
    -------
    is_begun : bool
        False where the folder is not going to the same store: then nothing was done.
    """
    out = _final.get(folder)
    if out is None or out.parts[0] != source.parts[0]:
        return False
    target = out / relative
    places = client.place_of(str(source)), client.place_of(str(target))
    _copied[folder][target] = _pools[folder].submit(
        client.request, "copy", str(source), "cp_file", *places
    )
    return True


def _files(place: Path) -> list[remote.RemotePath]:
    """List a remote file, or all files of a remote folder."""
    assert isinstance(place, remote.RemotePath)
    if not place.exists():
        return []
    if place.is_file():
        return [place]
    tree.list_below(str(place))
    found = []
    for each in sorted(place.iterdir()):
        found += _files(each)
    return found


def _download(source: remote.RemotePath, target: Path) -> None:
    """Read a remote file into a new local one, pieces of it at a time."""
    size = source.stat().st_size
    with atomic.disk_errors("write", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file, ThreadPoolExecutor(_NUM_THREADS) as pool:

            def copy(start: int) -> None:
                end = min(start + client.PIECE_BYTES, size)
                os.pwrite(file.fileno(), source.read_range(start, end), start)

            for _ in pool.map(copy, range(0, size, client.PIECE_BYTES)):
                pass


def _upload(source: Path, target: remote.RemotePath) -> None:
    """Send a file, in parts where it is large; it is there when the last one has come."""
    url, size = str(target), source.stat().st_size
    options = _UPLOADS.get(url.partition(":")[0], {})
    place = client.place_of(url)
    seconds = client.TIMEOUT_S + size / _BYTES_PER_S
    client.request("write", url, "put_file", str(source), place, timeout=seconds, **options)
    arrived = client.request("write", url, "info", place)["size"]
    if arrived != size:
        msg = (
            f"{url} has {arrived:,} bytes, but {size:,} were sent. Run again; fit and score go on "
            "with --resume."
        )
        raise errors.StoreError(msg)


def _digest(text: str) -> str:
    """Return a short name for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
