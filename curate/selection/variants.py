"""Variants of labels that other tools left beside them: the same pixels in other ids.

``00001_labelTrainIds.png`` beside ``00001.png``, ``a_gtFine_color.png`` beside
``a_gtFine_labelIds.png``. They are no labels of the data set, but a trainer may read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from curate import remote
from curate.data import idmaps, legends

if TYPE_CHECKING:
    from curate.selection.dialect import SubsetItem
    from curate.selection.placement import Placement


def _ignoring(raw: int) -> idmaps.IdMap:
    """Make an id map of which all that matters is what it ignores."""
    return idmaps.IdMap("variant", {}, frozenset({raw}))


IGNORED: Final = {
    "_labelTrainIds": _ignoring(255),
    "_labelIds": _ignoring(0),
    "_instanceTrainIds": _ignoring(255),
    "_instanceIds": _ignoring(0),
    "_color": idmaps.IdMap(
        "colours", {}, colours={(255, 255, 255): 0}, ignored_colours=frozenset({(0, 0, 0)})
    ),
}
"""Ending of a variant's name -> how a pixel is ignored in it (cityscapesScripts' ``labels.py``
has 0 and black for what is unlabelled)."""


class Variant(NamedTuple):
    """A file beside a label: its path inside the data set, and how pixels are ignored in it."""

    path: str
    id_map: idmaps.IdMap

    def place(self, place: Placement, item: SubsetItem) -> None:
        """Put it into the subset, masked as the label of its image."""
        path = item.inside(self.path)
        if item.keep is None:
            place.place(item.original(self.path), path)
        else:
            target = place.new_file(path)
            item.source.write_masked_label(self.path, target, item.keep, self.id_map)


class Variants:
    """Finds the variants of labels; each folder is listed once."""

    def __init__(self) -> None:
        self._names: dict[str, frozenset[str]] = {}

    def of(self, item: SubsetItem) -> list[Variant]:
        """List the variants of the label of an image."""
        folder, slash, name = item.label_path.rpartition("/")
        names = self._list(item.original(folder) if folder else str(item.source.root))
        stem, _, suffix = name.rpartition(".")
        ending = next((ending for ending in IGNORED if stem.endswith(ending)), "")
        start = stem.removesuffix(ending)
        found = [
            Variant(f"{folder}{slash}{start}{ending}.{suffix}", id_map)
            for ending, id_map in IGNORED.items()
            if f"{start}{ending}.{suffix}" in names
        ]
        return [variant for variant in found if variant.path != item.label_path]

    def legends_of(self, item: SubsetItem) -> list[str]:
        """List the files that say what the ids of a label mean: of its data set, and its own."""
        folder, _, _ = item.label_path.rpartition("/")
        own = legends.frame_file(item.label_path)
        names = self._list(item.original(folder) if folder else str(item.source.root))
        found = [own] if own.rpartition("/")[2] in names else []
        return [*found, *sorted(self._list(str(item.source.root)) & legends.LEGENDS.keys())]

    def _list(self, folder: str) -> frozenset[str]:
        """List the ordinary files of a folder."""
        if folder not in self._names:
            with remote.scandir(remote.as_path(folder)) as entries:
                self._names[folder] = frozenset(e.name for e in entries if e.is_file())
        return self._names[folder]
