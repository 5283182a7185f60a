"""The file that marks a folder as a subset and says where it comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RECORD_NAME: Final = "subset.json"
RECORD_FORMAT: Final = "curate-subset"
RECORD_VERSION: Final = 1


def write_record(folder: Path, content: Mapping[str, Any]) -> None:
    """Write ``subset.json``; it comes last, so that its presence means that all is there."""
    table = {"format": RECORD_FORMAT, "format_version": RECORD_VERSION, **content}
    with (folder / RECORD_NAME).open("x", encoding="utf-8") as file:
        file.write(json.dumps(table, indent=2) + "\n")


def is_subset(folder: Path) -> bool:
    """Tell whether a folder is a subset that curate wrote."""
    try:
        table = json.loads((folder / RECORD_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(table, dict) and table.get("format") == RECORD_FORMAT
