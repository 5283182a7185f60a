"""A file object that keeps a position of its own, for the HDF5 library to work on."""

from __future__ import annotations

import io
import os


class PositionedFile(io.RawIOBase):
    """Position and size of an open file; reading and writing are up to the classes below it.

    Parameters
    ----------
    handle : int
        Of the open file; closed with this object.
    size : int
        In bytes.
    """

    def __init__(self, handle: int, size: int) -> None:
        super().__init__()
        self._handle = handle
        self._size = size
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}
        self._position = base[whence] + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            super().close()
            os.close(self._handle)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True
