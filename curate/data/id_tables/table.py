"""What the ids, or colours, of a published data set mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from curate.data.colours import Colour


@dataclass(frozen=True, slots=True)
class PublishedIds:
    """Ids, or colours, of a published data set.

    Attributes
    ----------
    names : mapping of vocabulary to {id: class name}
        The first vocabulary is the one that others are translated from.
    num_ids : int
        The data set's own list is 0 .. num_ids-1; those without a name are ignored.
    channel : str
        ``first`` where colour files hold the id in their first channel.
    colours : mapping of vocabulary to {colour: class name}
        Of labels in colour.
    ignored_colours : tuple of colour
        Colours that are known and have no class.
    """

    names: Mapping[str, Mapping[int, str]]
    num_ids: int
    channel: str = "auto"
    colours: Mapping[str, Mapping[Colour, str]] = field(default_factory=dict)
    ignored_colours: tuple[Colour, ...] = ()

    @property
    def vocabularies(self) -> tuple[str, ...]:
        """List the vocabularies that it is written in, its first one first."""
        return tuple(self.names) or tuple(self.colours)

    def words(self, vocabulary: str) -> tuple[str, ...]:
        """List the class names of a vocabulary, each once, in the order of the table."""
        ids = [name for _, name in sorted(self.names.get(vocabulary, {}).items())]
        return tuple(dict.fromkeys([*ids, *self.colours.get(vocabulary, {}).values()]))
