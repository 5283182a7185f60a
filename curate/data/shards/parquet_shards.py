"""Parquet files with images in them, as Hugging Face's `datasets` writes them.

An image is a struct of ``bytes`` (the encoded file) and ``path``; the member ``00000012.label.png``
is column ``label`` of row 12, whatever kind of image it is.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate import remote
from curate.data.shards.shard import damaged

if TYPE_CHECKING:
    from pathlib import Path

_BYTES: Final = "bytes"
_MAX_BLOCKS: Final = 4
"""Row groups of a column that are kept: of images and labels, where reading goes on from one to the
next."""

NAME: Final = "{:08d}.{}.png"


class ParquetShard:
    """A Parquet file; a row group is read as a whole and kept for the rows that follow."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._blocks: dict[tuple[int, str], pa.ChunkedArray] = {}
        try:
            self._bytes = path.stat().st_size
            self._file = pq.ParquetFile(path.open("rb") if remote.is_url(path) else path)
            about = self._file.metadata
            groups = range(about.num_row_groups)
            counts = [about.row_group(i).num_rows for i in groups]
            self._ends = np.cumsum([0, *counts])
            self._columns = [f.name for f in self._file.schema_arrow if _is_image(f)]
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise damaged(path, f"it is no sound Parquet file ({error})") from error
        if counts and not 0 <= min(counts) <= sum(counts) <= self._bytes:
            raise damaged(path, f"its header says that it has {sum(counts):,} rows")

    def names(self) -> list[str]:
        """List all images of all rows."""
        rows = range(int(self._ends[-1]))
        return [NAME.format(row, column) for row in rows for column in self._columns]

    def size(self, name: str) -> int:
        """Return the bytes of the file."""
        self._find(name)
        return self._bytes

    def read(self, name: str) -> bytes:
        """Read an image."""
        row, column = self._find(name)
        group = int(np.searchsorted(self._ends, row, side="right")) - 1
        try:
            with self._lock:
                found = self._block(group, column)[row - int(self._ends[group])].as_py()
        except (pa.ArrowException, IndexError) as error:
            raise OSError(0, f"row {row} cannot be read ({error})", str(self._path)) from error
        content: Any = (found or {}).get(_BYTES)
        if content is None:
            msg = f"column '{column}' of row {row} holds no image"
            raise OSError(0, msg, str(self._path))
        return bytes(content)

    def _block(self, group: int, column: str) -> pa.ChunkedArray:
        """Read a column of a row group, unless it was read lately."""
        block = self._blocks.pop((group, column), None)
        if block is None:
            table = self._file.read_row_group(group, columns=[column], use_threads=False)
            block = table.column(column)
        self._blocks[group, column] = block
        while len(self._blocks) > _MAX_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
        return block

    def _find(self, name: str) -> tuple[int, str]:
        """Tell row and column of a member."""
        digits, _, rest = name.partition(".")
        column = rest.removesuffix(".png")
        is_known = digits.isdecimal() and column in self._columns and rest != column
        if not is_known or int(digits) >= self._ends[-1]:
            raise KeyError(name)
        return int(digits), column


def _is_image(field: pa.Field) -> bool:
    """Tell whether a column holds images; a name that is no word cannot stand in a pattern."""
    kind = field.type
    if not (pa.types.is_struct(kind) and field.name.isidentifier()):
        return False
    kinds = [kind.field(i).type for i in range(kind.num_fields) if kind.field(i).name == _BYTES]
    return any(pa.types.is_binary(each) or pa.types.is_large_binary(each) for each in kinds)
