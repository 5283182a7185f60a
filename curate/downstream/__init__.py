"""What a subset looks like on disk."""

from __future__ import annotations

from curate.downstream.formats import FORMATS
from curate.downstream.formats.base import Format
from curate.downstream.items import Placement, SubsetItem
from curate.downstream.manifest import MANIFEST_NAME, write_manifest
from curate.downstream.media import MEDIA
from curate.downstream.paths import join_inside
from curate.downstream.record import RECORD_NAME, is_subset, write_record

__all__ = [
    "FORMATS",
    "MANIFEST_NAME",
    "MEDIA",
    "RECORD_NAME",
    "Format",
    "Placement",
    "SubsetItem",
    "is_subset",
    "join_inside",
    "write_manifest",
    "write_record",
]
