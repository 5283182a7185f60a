"""The table of an audit as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from curate.errors import UsageError
from curate.files.atomic import check_writable, replacing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False)


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path, index=False)


WRITERS: Final[dict[str, Callable[[pd.DataFrame, Path], None]]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
"""How to write a table, by the suffix of its file."""


def check_table_path(path: Path, *, overwrite: bool) -> None:
    """Make sure, before the work, that a table can be written.

    Raises
    ------
    UsageError
        If the suffix is unknown, or the file exists and `overwrite` is not set.
    StoreError
        If its folder cannot be written to.
    """
    if path.suffix not in WRITERS:
        msg = f"{path} is no name for a table: it has to end in {' or '.join(WRITERS)}."
        raise UsageError(msg)
    if path.is_dir() or (path.exists() and not overwrite):
        msg = f"{path} exists. Replace it with --overwrite, or name another file."
        raise UsageError(msg)
    check_writable(path.parent)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table whole or not at all."""
    with replacing(path) as partial:
        WRITERS[path.suffix](table, partial)
