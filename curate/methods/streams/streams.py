"""The kinds of evidence: what each stream sees, and what it learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from curate.methods.streams.networks import APPEARANCE, LAYOUT, SEMANTICS
from curate.methods.streams.training_sets import StreamTraining

if TYPE_CHECKING:
    from collections.abc import Callable

    from curate.methods.streams.networks import TrainingSet

CORRUPTION: Final = "planted"
MISMATCH: Final = "mismatch"


class Stream(NamedTuple):
    """A kind of evidence.

    Attributes
    ----------
    sees : tuple of str
        See `StreamNetwork`.
    network, width : str, int
        Kind and width of its networks.
    lesson : callable
        What the network of a fold learns from.
    passes : int
        It learns for so many times the epochs of the settings.
    """

    sees: tuple[str, ...]
    network: str
    width: int
    training_set: Callable[[StreamTraining, int], TrainingSet]
    passes: int = 1

    @property
    def looks_around(self) -> bool:
        """Whether it may see, in a cell, what is wrong with the cells beside it."""
        return self.sees != (LAYOUT,)

    @property
    def sees_corruptions(self) -> bool:
        """Whether it learns from real images only, in which faults were planted."""
        return self.training_set is not StreamTraining.domain_training_set


STREAMS: Final[dict[str, Stream]] = {
    CORRUPTION: Stream(
        (APPEARANCE, SEMANTICS), "context", 32, StreamTraining.corruption_training_set
    ),
    MISMATCH: Stream((SEMANTICS,), "context", 32, StreamTraining.mismatch_training_set),
    APPEARANCE: Stream((APPEARANCE,), "pixel", 64, StreamTraining.domain_training_set),
    SEMANTICS: Stream((SEMANTICS,), "pixel", 64, StreamTraining.domain_training_set),
    # four coordinates say little to a linear layer: bounds in the image take long to learn
    LAYOUT: Stream((LAYOUT,), "pixel", 64, StreamTraining.domain_training_set, passes=3),
}
"""The planted one comes first: those that look around are trusted as far as they agree with it."""
