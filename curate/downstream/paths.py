"""Paths that come from a file and must not lead out of a folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from curate.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


def join_inside(folder: Path, relative: str) -> Path:
    """Append a ``/``-separated path to a folder.

    Raises
    ------
    StoreError
        If it is absolute, empty, or has an empty, ``.`` or ``..`` part or a NUL character.
    """
    parts = relative.split("/")
    is_hostile = any(part in {"", ".", ".."} or "\0" in part for part in parts)
    if is_hostile or (os.sep != "/" and (os.sep in relative or ":" in relative)):
        msg = (
            f"the score file holds the path {relative!a}, which leads out of the data set. "
            "Score the data set again; do not use this file."
        )
        raise StoreError(msg)
    return folder.joinpath(*parts)
