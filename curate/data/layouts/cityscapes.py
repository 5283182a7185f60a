"""Cityscapes: labels hold the original ids, or train ids where those are the only ones."""

from __future__ import annotations

from typing import Final

from curate.data.layouts.base import Layout

CITYSCAPES: Final = Layout(
    name="cityscapes",
    images="leftImg8bit",
    labels="gtFine",
    id_maps={"_gtFine_labelIds": "cityscapes", "_gtFine_labelTrainIds": "cityscapes19"},
    image_ending="_leftImg8bit",
    class_set="cityscapes19",
)
