"""What the ids of published data sets mean: one table each, with its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from curate.data.id_tables.cityscapes import CITYSCAPES_TABLES
from curate.data.id_tables.own import OWN_TABLES
from curate.data.id_tables.simulators import SIMULATOR_TABLES

if TYPE_CHECKING:
    from curate.data.id_tables.table import PublishedIds

PUBLISHED_IDS: Final[dict[str, PublishedIds]] = CITYSCAPES_TABLES | SIMULATOR_TABLES | OWN_TABLES
"""Name of an id map, as ``id_map`` takes it -> its table."""

SEVERAL: Final = {
    "carla": ("carla-legacy", "carla-0.9.10", "carla-0.9.14"),
    "mapillary": ("mapillary-v1.2", "mapillary-v2"),
}
"""Names that do not tell which version's ids are meant, and the names that do."""

OWN_CLASSES: Final = (
    "idd", "apolloscape", "vkitti2", "camvid32", "ade20k", "voc", "mapillary-v1.2", "mapillary-v2",
    "loveda",
)  # fmt: skip
"""Id maps with a vocabulary of their own, which is a class set of the same name."""


def known_ids(name: str) -> set[int]:
    """Return all ids that a published table has a class for, or knows to have none."""
    return {*range(PUBLISHED_IDS[name].num_ids), 255}


def versions(name: str) -> list[str]:
    """List the other tables of the family of a table: those of ``carla-0.9.14`` begin so, too."""
    return [each for each in PUBLISHED_IDS if each != name and _family(each) == _family(name)]


def _family(name: str) -> str:
    """Return what the versions of an id map have in common: ``carla`` of ``carla-0.9.14``."""
    return name.partition("-")[0].rstrip("0123456789")
