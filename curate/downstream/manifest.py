"""Why each image is in a subset, or is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

MANIFEST_NAME: Final = "manifest.csv"

COLUMNS: Final = (
    "id", "selected", "score", "rank", "kept_px", "valid_px", "reason", "image_path", "label_path",
)  # fmt: skip
"""One row an image of the data set; paths are those inside the data set."""


def write_manifest(folder: Path, table: pd.DataFrame) -> None:
    """Write the manifest, a CSV file in UTF-8.

    Parameters
    ----------
    table : DataFrame
        With `COLUMNS`: ``rank`` is 1 for the best and empty where there is no score; ``reason``
        is ``selected``, why not, or the status of an image that was not scored.
    """
    with (folder / MANIFEST_NAME).open("x", encoding="utf-8", newline="") as file:
        table[list(COLUMNS)].to_csv(file, index=False, lineterminator="\n")
