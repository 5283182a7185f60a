"""The two tables of a score file as Parquet, in which "not scored" is NULL."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import StoreError
from curate.scores import arrow, checks, h5_read, provenance, targets
from curate.scores.schema import FORMAT, FORMAT_VERSION, IMAGES, REGIONS, TEXT, Attr, Column, Schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


ATTR_PAIR: Final = "pair"
"""Checksum that both tables of one score file carry; the other keys are those of the HDF5 file."""

_UNIQUE: Final = ("id", "image_path", "label_path")
"""Strings of images that are all different."""

_GROUP_ROWS: Final = 131_072
_MAX_DIGITS: Final = 10


def pair_token(ids: Iterable[str], scores: NDArray[np.floating]) -> str:
    """Return a checksum that both tables of one score file carry, so that no others are mixed."""
    digest = hashlib.sha256("\0".join(ids).encode())
    digest.update(np.ascontiguousarray(scores).tobytes())
    return digest.hexdigest()


class TableWriter:
    """A table that is written block after block of columns; a context."""

    def __init__(
        self,
        path: Path,
        schema: dict[str, Column],
        *,
        class_names: Sequence[str],
        header: provenance.Header,
        pair: str,
    ) -> None:
        texts = {Attr.FORMAT: FORMAT, Attr.VERSION: str(FORMAT_VERSION), ATTR_PAIR: pair}
        fields = [_field(name, column, class_names) for name, column in schema.items()]
        self._columns = schema
        self._schema = pa.schema(fields, metadata=texts | header.to_texts())
        repeated = [name for name in schema if "region" in schema or name not in _UNIQUE]
        self._writer = pq.ParquetWriter(path, self._schema, use_dictionary=repeated)

    def write(self, block: dict[str, Any]) -> None:
        """Add some rows."""
        arrays = [
            _to_arrow(block[field.name], field.type, self._columns[field.name].none)
            for field in self._schema
        ]
        table = pa.Table.from_arrays(arrays, schema=self._schema)
        self._writer.write_table(table, row_group_size=_GROUP_ROWS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()


class TablePart:
    """The two Parquet tables of a score file; there may be no regions."""

    def __init__(self, target: targets.Target) -> None:
        self.path = target.path
        self.schema = Schema()
        self.stride = 0
        self._paths = {IMAGES: target.images_table, REGIONS: target.regions_table}
        self._repeated: dict[str, list[str]] = {}

    def header(self) -> provenance.Header:
        """Read what the tables say of themselves, and make sure that they were written together.

        Raises
        ------
        StoreError
            If one is missing, damaged or foreign, or of another version.
        """
        found = [_read_metadata(path) for table, path in self._paths.items() if self._has(table)]
        if len({texts.get(ATTR_PAIR) for texts in found}) > 1:
            msg = (
                f"{self._paths[IMAGES]} and {self._paths[REGIONS].name} are of different score "
                "files. Score again with --resume or --overwrite."
            )
            raise StoreError(msg)
        return provenance.read_header(found[0], where=str(self._paths[IMAGES]))

    def has_regions(self) -> bool:
        """Tell whether there is a table of regions."""
        return self._has(REGIONS)

    def count(self, table: str) -> int:
        """Count the rows of a table, after a look at all columns."""
        if not self._has(table):
            return 0
        with self._open(table) as file:
            return int(file.metadata.num_rows)

    def read(self, table: str, name: str, rows: slice = slice(None)) -> h5_read.Values:
        """Read some rows of a column; strings come in Arrow.

        Raises
        ------
        StoreError
            If it is damaged, or values are missing.
        """
        column = self.schema.columns(table)[name]
        if not self._has(table):
            return h5_read.to_values([], column)
        with self._open(table) as file:
            first, last, _ = rows.indices(file.metadata.num_rows)
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
            ends = np.cumsum([0, *sizes])
            groups = np.flatnonzero((ends[1:] > first) & (ends[:-1] < last))
            found = file.read_row_groups(groups.tolist(), columns=[name], use_threads=False)
            before = ends[groups[0]] if len(groups) else first
            values = found.column(name).slice(first - before, last - first)
            return _from_arrow(values, name, column, self._paths[table])

    def blocks(self, table: str, names: Sequence[str]) -> Iterator[dict[str, h5_read.Values]]:
        """Yield some columns block after block, never an empty one."""
        columns = self.schema.columns(table)
        if not self._has(table):
            return
        with self._open(table) as file:
            path, batches = self._paths[table], file.iter_batches(h5_read.BLOCK_ROWS, columns=names)
            for batch in batches:
                if len(batch):
                    yield {
                        name: _from_arrow(
                            pa.chunked_array([batch[name]]), name, columns[name], path
                        )
                        for name in names
                    }

    def maps(self, group: str, shape: tuple[int, int]) -> None:  # noqa: ARG002
        """Return None: there are none."""
        return

    def close(self) -> None:
        """Do nothing: tables are open only while they are read."""

    def _has(self, table: str) -> bool:
        """Tell whether a table is there, or has to be."""
        return table == IMAGES or self._paths[table].exists()

    @contextmanager
    def _open(self, table: str) -> Iterator[pq.ParquetFile]:
        """Open a table, and make sure that its columns have the right types and fit into the file.

        Read as the dictionaries that they are, strings take no more memory than the file holds,
        however often each of them is repeated.
        """
        path, columns = self._paths[table], self.schema.columns(table)
        with h5_read.reading(path), ExitStack() as stack:
            if table not in self._repeated:
                self._repeated[table] = _find_repeated(path)
            names = self._repeated[table]
            file = stack.enter_context(pq.ParquetFile(path, read_dictionary=names))
            about = file.metadata
            packed = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
            widths = [
                _check_type(file.schema_arrow, name, column, path)
                for name, column in columns.items()
            ]
            claimed = max(packed, about.num_rows * sum(widths))
            checks.check_claim(claimed, path.stat().st_size, where=path)
            yield file


def _find_repeated(path: Path) -> list[str]:
    """Name the texts of which each may stand for many rows; to hash others would take long.

    One row of each group is read first: that is refused where the column's description is damaged,
    while to ask for the description itself then ends the process.
    """
    with pq.ParquetFile(path) as file:
        about, fields = file.metadata, file.schema_arrow
        texts = [f.name for f in fields if pa.types.is_string(f.type)]
        for group in range(about.num_row_groups):
            next(file.iter_batches(1, row_groups=[group], columns=texts, use_threads=False), None)
        groups = [about.row_group(number) for number in range(about.num_row_groups)]
        return [
            name
            for index in range(about.num_columns)
            if (name := about.schema.column(index).path) in texts
            and any(
                "DICTIONARY" in way for group in groups for way in group.column(index).encodings
            )
        ]


def read_about(path: Path) -> tuple[provenance.Header, str]:
    """Read what one table says of itself, and its checksum, which is that of its pair."""
    texts = _read_metadata(path)
    return provenance.read_header(texts, where=str(path)), texts.get(ATTR_PAIR, "")


def to_table(columns: dict[str, h5_read.Values]) -> pa.Table:
    """Show columns as an Arrow table, without a copy of the numbers."""
    return pa.table(
        {n: v if isinstance(v, pa.Array) else arrow.to_arrow(v) for n, v in columns.items()}
    )


def _read_metadata(path: Path) -> dict[str, str]:
    """Read what a table says of itself, after a look at its format."""
    if not path.is_file():
        msg = f"{path} does not exist. Name a score file that 'curate score' wrote."
        raise StoreError(msg)
    with h5_read.reading(path):
        raw = pq.read_schema(path).metadata or {}
        texts = {key.decode(errors="replace"): value.decode() for key, value in raw.items()}
    version = texts.get(Attr.VERSION, "")
    number = int(version) if version.isdecimal() and len(version) < _MAX_DIGITS else version
    h5_read.check_format(texts.get(Attr.FORMAT, ""), number, where=path)
    return texts


def _field(name: str, column: Column, class_names: Sequence[str]) -> pa.Field:
    """Describe a column; lists by class carry the names of the classes."""
    kind = _arrow_type(column, len(class_names))
    names = {Attr.CLASS_NAMES: json.dumps(list(class_names))} if column.per_class else None
    return pa.field(name, kind, metadata=names)


def _arrow_type(column: Column, num_classes: int) -> pa.DataType:
    """Return the Arrow type of a column."""
    if column.dtype == TEXT:
        return pa.string()
    kind = pa.from_numpy_dtype(np.dtype(column.dtype))
    return pa.list_(kind, num_classes) if column.per_class else kind


def _to_arrow(values: Any, kind: pa.DataType, none: float | str | None) -> pa.Array:  # noqa: ANN401
    """Turn a column into Arrow; NaN, and what else stands for "not scored", becomes NULL."""
    if pa.types.is_fixed_size_list(kind):
        flat = _to_arrow(values.reshape(-1), kind.value_type, none)
        return pa.FixedSizeListArray.from_arrays(flat, kind.list_size)
    if isinstance(values, pa.Array):
        return values.cast(kind)
    if values.dtype == object:
        texts = arrow.texts_to_arrow(values)
        if none is not None:
            is_given = pc.not_equal(texts, arrow.text_scalar(str(none)))
            texts = pc.if_else(is_given, texts, pa.nulls(len(texts), texts.type))
        return texts.cast(kind)
    is_null = np.isnan(values) if values.dtype.kind == "f" else values == none
    return arrow.to_arrow(values, is_null=np.broadcast_to(is_null, values.shape))


def _from_arrow(chunks: pa.ChunkedArray, name: str, column: Column, path: Path) -> h5_read.Values:
    """Turn a column into an array; NULL becomes NaN, or what else stands for "not scored"."""
    kind = np.dtype(object if column.dtype == TEXT else column.dtype)
    none = np.nan if kind.kind == "f" else column.none
    if chunks.null_count and (none is None or column.per_class):
        msg = f"{path}: column '{name}' lacks {chunks.null_count} values. Score again."
        raise StoreError(msg)
    if column.dtype == TEXT:
        chunks.validate(full=True)  # texts that are no UTF-8 are found here
        blocks = [_spell_out(chunk, path) for chunk in chunks.chunks]
        return pc.fill_null(h5_read.to_values(blocks, column), none or "")
    shape = (len(chunks), chunks.type.list_size) if column.per_class else len(chunks)
    blocks = [chunk.flatten() if column.per_class else chunk for chunk in chunks.chunks]
    filled = (pc.fill_null(each, none or 0) if each.null_count else each for each in blocks)
    arrays = [arrow.from_arrow(block) for block in filled]
    return np.concatenate([np.empty(0, kind), *arrays]).reshape(shape)


def _check_type(schema: pa.Schema, name: str, column: Column, path: Path) -> int:
    """Refuse a table whose column is missing or of another type; return the bytes of a row."""
    kind = schema.field(name).type if name in schema.names else None
    if kind is not None and pa.types.is_dictionary(kind):
        kind = kind.value_type
    size = kind.list_size if kind is not None and pa.types.is_fixed_size_list(kind) else 0
    if kind != _arrow_type(column, size):
        msg = f"{path}: column '{name}' is {kind or 'missing'}, not {column.dtype}. Score again."
        raise StoreError(msg)
    return 8 if column.dtype == TEXT else max(1, size) * np.dtype(column.dtype).itemsize


def _spell_out(chunk: pa.DictionaryArray, path: Path) -> pa.LargeStringArray:
    """Spell out a dictionary of strings, unless that takes up much more than the file."""
    if not pa.types.is_dictionary(chunk.type):
        return chunk.cast(pa.large_string())
    lengths = pc.binary_length(chunk.dictionary.cast(pa.large_binary()))
    size = pc.sum(lengths.take(chunk.indices)).as_py() or 0
    checks.check_claim(size, path.stat().st_size, where=path)
    return chunk.cast(pa.large_string())
