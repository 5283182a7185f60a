"""Export formats by name."""

from __future__ import annotations

from typing import Final

from curate.selection.dialect import Format
from curate.selection.formats import adaptsegnet, daformer, folder, lists, mmseg, original

FORMATS: Final = dict[str, type[Format]](
    original=original.OriginalFormat,
    folder=folder.FolderFormat,
    list=lists.ListFormat,
    mmseg=mmseg.MmsegFormat,
    daformer=daformer.DaformerFormat,
    adaptsegnet=adaptsegnet.AdaptSegNetFormat,
)
"""One class a format; a new one needs a file here, a line here, and a test."""
