"""Changed images that several trainings draw alike, kept in a file: each is made once.

A training draws the image at each position of its endless order and changes it at random, keyed
by the position. Trainings with the same seed do so alike, whatever they make of the images.
"""

from __future__ import annotations

import hashlib
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import torch

from curate.data.pairs import LoadedPair

if TYPE_CHECKING:
    from pathlib import Path

    from curate import records
    from curate.data.dataset import DataSource

_ROW: Final = np.dtype([("digest", "S20"), ("crc", "<u4"), ("shape", "<i4", 2)])
"""What stands before the pixels of a row; a row that was never written is zeros."""


MAX_BYTES: Final = 2 * 2**30
"""Largest size of a file."""


class DrawnImage(NamedTuple):
    """A changed image with its label, and the height and width that the original had."""

    changed: LoadedPair
    shape: tuple[int, int]


class DrawnImages:
    """One file of drawn images, a row a position; used by several processes at a time.

    What the disk does not take, or cannot give back whole, is made anew: nothing is lost.

    Parameters
    ----------
    path : Path
        Made where it is not there.
    size : (int, int)
        Height and width of the images.
    max_bytes : int
        Positions beyond are not kept.
    settings : str
        What else the images depend on.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], settings: str, max_bytes: int = MAX_BYTES
    ) -> None:
        self._path, self._size, self._settings = path, size, settings
        self._row_bytes = _ROW.itemsize + 4 * size[0] * size[1]
        self._num_rows = max_bytes // self._row_bytes

    def digest(self, source: DataSource, pair: records.Pair, position: int) -> bytes:
        """Hash what the changed image at a position depends on; its files by size and date."""
        files = [(source.root / path).stat() for path in (pair.image_path, pair.label_path)]
        told = (
            self._settings, self._size, position, source.key_of(pair), str(source.root),
            source.id_map.name, [(file.st_size, file.st_mtime_ns) for file in files],
        )  # fmt: skip
        return hashlib.sha1(repr(told).encode(), usedforsecurity=False).hexdigest()[:20].encode()

    def get(self, position: int, digest: bytes) -> DrawnImage | None:
        """Return what was kept, None where there is nothing or something else."""
        row = self._read(position)
        if row is None:
            return None
        head = np.frombuffer(row[: _ROW.itemsize], _ROW)[0]
        pixels = row[_ROW.itemsize :]
        if head["digest"] != digest or head["crc"] != zlib.crc32(pixels):
            return None
        planes = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(4, *self._size)
        return DrawnImage(LoadedPair(planes[:3], planes[3]), tuple(head["shape"].tolist()))

    def put(self, position: int, digest: bytes, drawn: DrawnImage) -> None:
        """Keep an image, unless there is one; on a full disk it is not kept."""
        row = self._read(position)
        if row is None or np.frombuffer(row[: _ROW.itemsize], _ROW)[0]["digest"]:
            return
        image, label_map = drawn.changed
        pixels = torch.cat([image, label_map[None]]).contiguous().numpy().tobytes()
        head = np.array((digest, zlib.crc32(pixels), drawn.shape), _ROW).tobytes()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch()
            with self._path.open("r+b", buffering=0) as file:
                file.seek(position * self._row_bytes)
                file.write(head + pixels)
        except OSError:
            self._num_rows = 0  # go on without

    def _read(self, position: int) -> bytes | None:
        """Read a row, zeros where nothing was written; None beyond the last one."""
        if position >= self._num_rows:
            return None
        found = b""
        with suppress(OSError), self._path.open("rb", buffering=0) as file:
            file.seek(position * self._row_bytes)
            found = file.read(self._row_bytes)
        return found.ljust(self._row_bytes, b"\0")

    def __reduce__(self) -> tuple[type[DrawnImages], tuple[Path, tuple[int, int], str, int]]:
        max_bytes = self._num_rows * self._row_bytes
        return DrawnImages, (self._path, self._size, self._settings, max_bytes)
