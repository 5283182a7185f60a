"""Shards of MosaicML Streaming (MDS): samples by number, columns by name.

https://docs.mosaicml.com/projects/streaming, dataset format: a shard begins with the number of
samples and where each begins; a sample begins with the sizes of those columns whose size varies.
``index.json`` beside the shards names the columns; member ``00000012.label.png`` is column
``label`` of sample 12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from curate import texts
from curate.data.shards.shard import damaged, open_handle

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_INDEX: Final = "index.json"
_ENCODED: Final = ("bytes", "jpeg", "png")
"""Encodings of columns that hold the bytes of an image file."""
_WORD: Final = np.dtype("<u4")
NAME: Final = "{:08d}.{}.png"


class _Column(NamedTuple):
    """Name and encoding of a column, and its bytes, None where they vary."""

    name: str
    encoding: str
    size: int | None


class MdsShard:
    """A shard that is not compressed."""

    def __init__(self, path: Path) -> None:
        try:
            columns = _read_index(path)
            self._columns = [_Column(*column) for column in columns]
            self._file = open_handle(path)
            count = int(self._words(0, 1)[0])
            size = path.stat().st_size
            if not 0 < 4 * (count + 2) <= size:
                msg = f"it says that it has {count} samples"
                raise ValueError(msg)
            self._starts = self._words(4, count + 1).astype(np.int64)
            if (np.diff(self._starts) < 0).any() or self._starts[-1] > size:
                msg = "it ends before its samples do"
                raise ValueError(msg)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise damaged(path, f"it is no sound MDS shard ({error})") from error

    def names(self) -> list[str]:
        """List all images of all samples."""
        names = [each.name for each in self._columns if each.encoding in _ENCODED]
        rows = range(len(self._starts) - 1)
        return [NAME.format(row, name) for row in rows for name in names if name.isidentifier()]

    def size(self, name: str) -> int:
        """Return the bytes of a member."""
        return self._place(name)[1]

    def read(self, name: str) -> bytes:
        """Read a member from where it lies."""
        return self._file.read(*self._place(name))

    def _place(self, name: str) -> tuple[int, int]:
        """Tell where a member lies: offset and size."""
        digits, _, rest = name.partition(".")
        wanted = rest.removesuffix(".png")
        row = int(digits) if digits.isdecimal() else len(self._starts)
        if row >= len(self._starts) - 1 or wanted not in {c.name for c in self._columns}:
            raise KeyError(name)
        start = int(self._starts[row])
        varying = [column for column in self._columns if column.size is None]
        sizes = iter(self._words(start, len(varying)).tolist())
        offset = start + 4 * len(varying)
        for column in self._columns:
            size = next(sizes) if column.size is None else column.size
            if column.name == wanted:
                return offset, size
            offset += size
        raise KeyError(name)

    def _words(self, offset: int, count: int) -> NDArray[Any]:
        """Read some numbers."""
        return np.frombuffer(self._file.read(offset, 4 * count), _WORD)


def _read_index(path: Path) -> list[tuple[str, str, int | None]]:
    """Read the columns of a shard from the index beside it."""
    index = texts.parse_json(texts.read_bytes(path.with_name(_INDEX)))
    for shard in index["shards"]:
        if shard["raw_data"]["basename"] == path.name:
            names, kinds = shard["column_names"], shard["column_encodings"]
            return list(zip(names, kinds, shard["column_sizes"], strict=True))
    msg = f"{_INDEX} does not name it"
    raise ValueError(msg)
