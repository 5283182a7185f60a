"""Export formats by name."""

from __future__ import annotations

from typing import Final

from curate.selection.formats.folder import FolderFormat
from curate.selection.formats.lists import ListFormat
from curate.selection.formats.original import OriginalFormat
from curate.selection.placement import Format

FORMATS: Final = dict[str, type[Format]](
    original=OriginalFormat,
    folder=FolderFormat,
    list=ListFormat,
)
"""One class a format; a new one needs a file here, a line here, and a test."""
