"""Paths that come from a file and must not lead out of a folder."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from curate.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


_HOSTILE: Final = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|\0" + ("" if os.sep == "/" else r"|[:\\]"))


def join_inside(folder: Path | str, relative: str) -> str:
    """Append a ``/``-separated path to a folder.

    Raises
    ------
    StoreError
        If it is absolute, empty, or has an empty, ``.`` or ``..`` part or a NUL character.
    """
    if _HOSTILE.search(relative):
        msg = (
            f"the score file holds the path {relative!a}, which leads out of the data set. "
            "Score the data set again; do not use this file."
        )
        raise StoreError(msg)
    return f"{folder}/{relative}"
