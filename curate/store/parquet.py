"""The two tables of a score file as Parquet."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import StoreError
from curate.store.hdf5 import check_format, reading
from curate.store.schema import (
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
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.store.columns import Columns

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
            arrays = [to_arrow(block[name], kind) for name, kind in fields]
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


def read_parquet(path: Path, schema: dict[str, Column]) -> Columns:
    """Read a table and check its types."""
    with reading(path), pq.ParquetFile(path) as file:
        claimed = file.metadata.num_rows * len(schema)
        if claimed > _MAX_RATIO * path.stat().st_size:
            msg = f"{path} claims {claimed} values, which the file cannot hold. Score again."
            raise StoreError(msg)
        table = file.read(columns=[name for name in schema if name in file.schema_arrow.names])
        return {name: from_arrow(table, name, column, path) for name, column in schema.items()}


def arrow_fields(schema: dict[str, Column], num_classes: int = 0) -> list[tuple[str, Any]]:
    """List name and Arrow type of each column."""
    return [(name, arrow_type(column, num_classes)) for name, column in schema.items()]


def arrow_type(column: Column, num_classes: int) -> Any:  # noqa: ANN401
    """Return the Arrow type of a column."""
    if column.dtype == TEXT:
        return pa.string()
    kind = pa.from_numpy_dtype(np.dtype(column.dtype))
    return pa.list_(kind, num_classes) if column.per_class else kind


def to_arrow(values: NDArray[Any], kind: Any) -> Any:  # noqa: ANN401
    """Turn an array into an Arrow array; rows of a matrix become lists of fixed length."""
    if pa.types.is_fixed_size_list(kind):
        flat = pa.array(values.reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, kind.list_size)
    return pa.array(values, kind, from_pandas=False)


def from_arrow(table: Any, name: str, column: Column, path: Path) -> NDArray[Any]:  # noqa: ANN401
    """Turn an Arrow column into an array after checking its type."""
    kind = table.schema.field(name).type if name in table.schema.names else None
    size = kind.list_size if kind is not None and pa.types.is_fixed_size_list(kind) else 0
    if kind != arrow_type(column, size) or table.column(name).null_count:
        msg = f"{path}: column '{name}' is {kind or 'missing'}, not {column.dtype}. Score again."
        raise StoreError(msg)
    values = table.column(name).combine_chunks()
    if column.per_class:
        flat = values.flatten().to_numpy(zero_copy_only=False)
        return np.asarray(flat, column.dtype).reshape(-1, size)
    if column.dtype == TEXT:
        return np.array(values.to_pylist(), dtype=object)
    return np.asarray(values.to_numpy(zero_copy_only=False), column.dtype)
