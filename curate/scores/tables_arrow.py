"""The two tables of a score file as Parquet."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import StoreError
from curate.scores.arrow import from_arrow, texts_to_arrow, to_arrow
from curate.scores.h5_read import check_format, reading
from curate.scores.schema import (
    ATTR_FORMAT,
    ATTR_PROVENANCE,
    ATTR_ROOT,
    ATTR_VERSION,
    FORMAT,
    FORMAT_VERSION,
    TEXT,
    Column,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.scores.columns import Columns

ATTR_PAIR: Final = "pair"
"""Checksum that both tables of one score file carry; the other keys are those of the HDF5 file."""
_GROUP_ROWS: Final = 131_072
_MAX_RATIO: Final = 2000


def pair_token(images: Columns) -> str:
    """Return a checksum that both tables of one score file carry, so that no others are mixed."""
    digest = hashlib.sha256("\0".join(images["id"]).encode())
    digest.update(np.ascontiguousarray(images["score"]).tobytes())
    return digest.hexdigest()


def write_parquet(
    path: Path,
    blocks: Iterable[Columns],
    schema: dict[str, Column],
    *,
    num_classes: int,
    provenance: str,
    dataset_root: str,
    pair: str,
) -> None:
    """Write a table, given block after block."""
    metadata = table_metadata(provenance=provenance, dataset_root=dataset_root)
    fields = arrow_fields(schema, num_classes)
    arrow_schema = pa.schema(fields, metadata=metadata | {ATTR_PAIR: pair})
    with pq.ParquetWriter(path, arrow_schema) as writer:
        for block in blocks:
            arrays = [to_typed_arrow(block[name], kind) for name, kind in fields]
            table = pa.Table.from_arrays(arrays, schema=arrow_schema)
            writer.write_table(table, row_group_size=_GROUP_ROWS)


def table_metadata(*, provenance: str, dataset_root: str) -> dict[str, str]:
    """Return what every table of a score file says about itself."""
    return {
        ATTR_PROVENANCE: provenance,
        ATTR_FORMAT: FORMAT,
        ATTR_VERSION: str(FORMAT_VERSION),
        ATTR_ROOT: dataset_root,
    }


class TableMetadata(NamedTuple):
    """What a table says about itself; see `pair_token` for `pair`."""

    provenance: str
    dataset_root: str
    pair: str


def read_metadata(path: Path) -> TableMetadata:
    """Read the metadata of a table.

    Raises
    ------
    StoreError
        If the file is missing, damaged or foreign, or was written by a newer version.
    """
    if not path.is_file():
        msg = f"{path} does not exist. Name a score file that 'curate score' wrote."
        raise StoreError(msg)
    with reading(path):
        raw = pq.read_schema(path).metadata or {}
        texts = {key.decode(errors="replace"): value.decode() for key, value in raw.items()}
    version = texts.get(ATTR_VERSION, "")
    check_format(
        texts.get(ATTR_FORMAT, ""), int(version) if version.isdecimal() else version, where=path
    )
    return TableMetadata(
        texts.get(ATTR_PROVENANCE, ""), texts.get(ATTR_ROOT, ""), texts.get(ATTR_PAIR, "")
    )


@contextmanager
def open_table(
    path: Path, schema: dict[str, Column], *, verify: bool = False
) -> Iterator[pq.ParquetFile]:
    """Open a table, and make sure that its columns have the right types and fit into the file.

    With `verify`, the checksums of the pages are looked at, which pieces of scores have.

    Raises
    ------
    StoreError
        If the file is damaged, or a column is missing, of another type, or too large to be true.
    """
    texts = [name for name, column in schema.items() if column.dtype == TEXT]
    # Read as dictionaries, strings take no more memory than the file holds, however often each
    # of them is repeated.
    with reading(path), _open(path, texts, verify=verify) as file:
        metadata = file.metadata
        claimed = metadata.num_rows * len(schema)
        packed = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        if max(claimed, packed) > _MAX_RATIO * path.stat().st_size:
            msg = f"{path} claims {claimed} values, which the file cannot hold. Score again."
            raise StoreError(msg)
        for name, column in schema.items():
            _check_type(file.schema_arrow, name, column, path)
        yield file


def _open(path: Path, texts: list[str], *, verify: bool) -> pq.ParquetFile:
    """Open a Parquet file."""
    return pq.ParquetFile(path, read_dictionary=texts, page_checksum_verification=verify)


def read_table_column(
    file: pq.ParquetFile, name: str, column: Column, path: Path
) -> NDArray[Any] | pa.LargeStringArray:
    """Read a column of a table that `open_table` opened; strings stay in Arrow.

    Raises
    ------
    StoreError
        If it is damaged, or values are missing.
    """
    with reading(path):
        chunks = file.read(columns=[name], use_threads=False).column(name)
        if chunks.null_count:
            msg = f"{path}: column '{name}' lacks {chunks.null_count} values. Score again."
            raise StoreError(msg)
        if column.dtype == TEXT:
            return _to_strings(chunks, path)
        if column.per_class:
            blocks = [from_arrow(chunk.flatten()) for chunk in chunks.chunks]
            flat = np.concatenate([np.empty(0, column.dtype), *blocks])
            return flat.reshape(len(chunks), chunks.type.list_size)
        return from_arrow(chunks)


def read_parquet(path: Path, schema: dict[str, Column]) -> Columns:
    """Read a table and check its types."""
    with open_table(path, schema) as file:
        return read_columns(file, schema, path)


def read_columns(file: pq.ParquetFile, schema: dict[str, Column], path: Path) -> Columns:
    """Read a table that `open_table` opened, strings as Python strings."""
    columns = {name: read_table_column(file, name, c, path) for name, c in schema.items()}
    return {
        name: np.array(values.to_pylist(), object) if isinstance(values, pa.Array) else values
        for name, values in columns.items()
    }


def to_table(columns: Mapping[str, NDArray[Any] | pa.Array]) -> pa.Table:
    """Show columns as an Arrow table, without a copy of the numbers."""
    return pa.table({n: v if isinstance(v, pa.Array) else to_arrow(v) for n, v in columns.items()})


def arrow_fields(schema: dict[str, Column], num_classes: int = 0) -> list[tuple[str, Any]]:
    """List name and Arrow type of each column."""
    return [(name, arrow_type(column, num_classes)) for name, column in schema.items()]


def arrow_type(column: Column, num_classes: int) -> Any:  # noqa: ANN401
    """Return the Arrow type of a column."""
    if column.dtype == TEXT:
        return pa.string()
    kind = pa.from_numpy_dtype(np.dtype(column.dtype))
    return pa.list_(kind, num_classes) if column.per_class else kind


def to_typed_arrow(values: NDArray[Any], kind: Any) -> Any:  # noqa: ANN401
    """Turn an array into an Arrow array; rows of a matrix become lists of fixed length."""
    if pa.types.is_fixed_size_list(kind):
        flat = pa.array(values.reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, kind.list_size)
    return pa.array(values, kind, from_pandas=False)


def _check_type(schema: pa.Schema, name: str, column: Column, path: Path) -> None:
    """Refuse a table whose column is missing or has another type."""
    kind = schema.field(name).type if name in schema.names else None
    if kind is not None and pa.types.is_dictionary(kind):
        kind = kind.value_type
    size = kind.list_size if kind is not None and pa.types.is_fixed_size_list(kind) else 0
    if kind != arrow_type(column, size):
        msg = f"{path}: column '{name}' is {kind or 'missing'}, not {column.dtype}. Score again."
        raise StoreError(msg)


def _to_strings(chunks: pa.ChunkedArray, path: Path) -> pa.LargeStringArray:
    """Spell out dictionaries of strings, unless that takes up much more than the file."""
    size = 0
    for chunk in chunks.chunks:
        lengths = pc.binary_length(chunk.dictionary.cast(pa.large_binary()))
        size += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    if size > _MAX_RATIO * path.stat().st_size:
        msg = f"{path} claims strings of {size} bytes, which it cannot hold. Score again."
        raise StoreError(msg)
    return pa.concat_arrays(
        [texts_to_arrow([]), *(c.cast(pa.large_string()) for c in chunks.chunks)]
    )
