"""Why each image is in a subset, or is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.scores.arrow import text_scalar

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST_NAME: Final = "manifest.csv"

COLUMNS: Final = (
    "id", "selected", "score", "rank", "rank_by", "kept_px", "valid_px", "reason", "image_path",
    "label_path",
)  # fmt: skip
"""One row an image of the data set: ``score`` and ``rank`` are those of what ``rank_by`` names, and
paths are those inside the data set."""

_BLOCK_ROWS: Final = 65_536


def write_manifest(folder: Path, table: pa.Table) -> None:
    """Write the manifest, a CSV file in UTF-8.

    Parameters
    ----------
    table : pyarrow.Table
        With `COLUMNS`: ``rank`` is 1 for the best and null where there is no score; ``reason``
        is ``selected``, why not, or the status of an image that was not scored.
    """
    with (folder / MANIFEST_NAME).open("xb") as file:
        file.write(f"{','.join(COLUMNS)}\n".encode())
        for block in table.combine_chunks().to_batches(max_chunksize=_BLOCK_ROWS):
            *fields, last = (_spell(block.column(name)) for name in COLUMNS)
            ends = pc.binary_join_element_wise(last, text_scalar("\n"), text_scalar(""))
            file.write(_text_of(pc.binary_join_element_wise(*fields, ends, text_scalar(","))))


def _spell(values: pa.Array) -> pa.LargeStringArray:
    """Write values as fields of a CSV file; null becomes an empty one."""
    if pa.types.is_boolean(values.type):
        return pc.if_else(values, text_scalar("True"), text_scalar("False"))
    texts = values.cast(pa.large_string()).fill_null(text_scalar(""))
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return texts
    needs_quotes = pc.match_substring_regex(texts, '[",\r\n]')
    if not pc.any(needs_quotes).as_py():
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    quoted = pc.binary_join_element_wise(
        text_scalar('"'), doubled, text_scalar('"'), text_scalar("")
    )
    return pc.if_else(needs_quotes, quoted, texts)


def _text_of(lines: pa.LargeStringArray) -> pa.Buffer:
    """Return the bytes of all strings, one after the other."""
    _, ends, data = lines.buffers()
    first, last = np.frombuffer(ends, np.int64)[[lines.offset, lines.offset + len(lines)]]
    return data.slice(first, last - first)
