"""Export formats by name."""

from __future__ import annotations

from typing import Final

from curate.selection.formats import folder, lists, original
from curate.selection.placement import Format

FORMATS: Final = dict[str, type[Format]](
    original=original.OriginalFormat,
    folder=folder.FolderFormat,
    list=lists.ListFormat,
)
"""One class a format; a new one needs a file here, a line here, and a test."""
