"""HDF5 files written through a file object that survives a full disk.

The HDF5 library cannot close a file whose writes fail: it tries forever or crashes the process.
So it writes into a `Sink`, which goes on pretending after the first failure; the failure is raised
when the file has been closed.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import h5py

from curate.interrupts import signals_held
from curate.scores.rawfile import PositionedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from _typeshed import ReadableBuffer, WriteableBuffer


class Sink(PositionedFile):
    """A new file for reading and writing whose failures are kept for later.

    Parameters
    ----------
    path : Path
    check : callable, optional
        Asked by `raise_error`, too; raises what is to end the writing.

    Attributes
    ----------
    error : OSError or None
        The first failure; what is written after it goes to memory only.
    """

    def __init__(self, path: Path, check: Callable[[], None] = lambda: None) -> None:
        super().__init__(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666), 0)
        self.check = check
        self.error: OSError | None = None
        self._lost: list[tuple[int, bytes]] = []

    def raise_error(self) -> None:
        """Raise the first failure, if there was one; to be called between two uses of HDF5."""
        self.check()
        if self.error is not None:
            raise self.error

    def write(self, data: ReadableBuffer) -> int:
        """Write all of `data`; never fails."""
        content = bytes(data)
        if self.error is None:
            try:
                self._write_all(content)
            except OSError as error:
                self.error = error
        if self.error is not None:
            self._lost.append((self._position, content))
        self._position += len(content)
        self._size = max(self._size, self._position)
        return len(content)

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read back what was written; zeros where nothing was."""
        view = memoryview(buffer).cast("B")
        start, length = self._position, min(len(view), max(self._size - self._position, 0))
        content = bytearray(os.pread(self._handle, length, start).ljust(length, b"\0"))
        for offset, lost in self._lost:
            low, high = max(offset, start), min(offset + len(lost), start + length)
            if low < high:
                content[low - start : high - start] = lost[low - offset : high - offset]
        view[:length] = content
        self._position += length
        return length

    def truncate(self, size: int | None = None) -> int:
        """Set the size."""
        self._size = self._position if size is None else size
        if self.error is None:
            try:
                os.ftruncate(self._handle, self._size)
            except OSError as error:
                self.error = error
        return self._size

    def writable(self) -> bool:
        """Return True."""
        return True

    def _write_all(self, content: bytes) -> None:
        """Write at the position, however many calls it takes."""
        view, position = memoryview(content), self._position
        while view:
            count = os.pwrite(self._handle, view, position)
            view, position = view[count:], position + count


@contextmanager
def creating_h5(path: Path) -> Iterator[tuple[h5py.File, Sink]]:
    """Yield a new HDF5 file to fill, and the sink below it, to be asked for errors now and then.

    Raises
    ------
    OSError
        At the end of the block: the first failure of the disk, if there was one.
    """
    with signals_held() as check:
        sink = Sink(path, check)
        try:
            # HDF5 1.10 and later can read it; its index of a map in one chunk takes no space.
            with h5py.File(sink, "w", libver=("v110", "v110")) as file:
                yield file, sink
            sink.raise_error()
        finally:
            sink.close()
