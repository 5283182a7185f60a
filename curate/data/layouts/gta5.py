"""GTA5, "Playing for Data": five-digit names, labels are palette PNGs whose index is the id."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from curate.data.layouts.base import Evidence, Layout
from curate.data.png import COLOUR_TYPE_PALETTE, peek_colour_type

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = re.compile(r"\d{5}\.png", re.IGNORECASE)


class Gta5Layout(Layout):
    """Layout that shares its folders with ``folder`` and is told by what is in them."""

    def examine(self, root: Path) -> Evidence:
        """Tell whether the first image and the first label are like those of GTA5."""
        evidence = super().examine(root)
        looked_for = f"{evidence.looked_for} with 00001.png, ..; labels are palette PNGs"
        if not evidence.is_match:
            return Evidence(False, looked_for, evidence.found)
        image, label = _first_file(root / self.images), _first_file(root / self.labels)
        if not (_NAME.fullmatch(image) and _NAME.fullmatch(label)):
            found = f"first image '{image}', first label '{label}'"
            return Evidence(False, looked_for, found)
        is_palette = peek_colour_type(root / self.labels / label) == COLOUR_TYPE_PALETTE
        found = f"first label '{label}' {'has a' if is_palette else 'without a'} palette"
        return Evidence(is_palette, looked_for, found)


def _first_file(folder: Path) -> str:
    """Return the first name in `folder` that is not hidden, '' if there is none."""
    return min((name for name in os.listdir(folder) if not name.startswith(".")), default="")  # noqa: PTH208


GTA5: Final = Gta5Layout(
    name="gta5",
    images="images",
    labels="labels",
    id_maps={"": "gta5"},
    class_set="cityscapes19",
)
