"""SYNTHIA-RAND-CITYSCAPES: ids are in the first channel of 16-bit colour PNGs."""

from __future__ import annotations

from typing import Final

from curate.data.layouts.base import Layout

SYNTHIA: Final = Layout(
    name="synthia",
    images="RGB",
    labels="GT/LABELS",
    id_maps={"": "synthia"},
    class_set="synthia16",
)
