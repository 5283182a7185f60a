"""Which images were held out and which fold they belong to, as a table in the run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd
import pyarrow as pa

from curate.errors import RunError
from curate.files.atomic import replacing
from curate.methods import Split

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SPLITS_NAME: Final = "splits.parquet"


def write_splits(folder: Path, splits: Mapping[str, Split]) -> None:
    """Write the columns ``key``, ``held_out`` and ``fold``."""
    table = pd.DataFrame(
        {
            "key": pd.Series(list(splits), dtype="str"),
            "held_out": [split.held_out for split in splits.values()],
            "fold": [split.fold for split in splits.values()],
        }
    )
    with replacing(folder / SPLITS_NAME) as partial:
        table.to_parquet(partial, index=False)


def read_splits(folder: Path) -> dict[str, Split]:
    """Read what `write_splits` wrote."""
    path = folder / SPLITS_NAME
    try:
        table = pd.read_parquet(path)
        columns = (table["key"], table["held_out"], table["fold"])
    except (OSError, KeyError, pa.ArrowException) as error:
        msg = f"{path} cannot be read ({error}). The run is damaged: fit again."
        raise RunError(msg) from error
    return {
        key: Split(held_out=bool(held_out), fold=int(fold))
        for key, held_out, fold in zip(*columns, strict=True)
    }
