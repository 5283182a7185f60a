"""Two folders, ``images/`` and ``labels/``: what to bring data of your own in."""

from __future__ import annotations

from typing import Final

from curate.data.layouts.base import Layout

FOLDER: Final = Layout(
    name="folder", images="images", labels="labels", id_maps={"": None}, is_specific=False
)
