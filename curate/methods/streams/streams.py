"""The streams: the inputs of each one, and what it is trained on."""

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
    """A kind of features with networks of its own.

    Attributes
    ----------
    inputs : tuple of str
        See `StreamNetwork`.
    network, width : str, int
        Kind and width of its networks, see `build_weighter`.
    training_set : callable
        What the network of a fold is trained on.
    epoch_factor : int
        It is trained for so many times the epochs of the settings.
    """

    inputs: tuple[str, ...]
    network: str
    width: int
    training_set: Callable[[StreamTraining, int], TrainingSet]
    epoch_factor: int = 1

    @property
    def has_context(self) -> bool:
        """Whether its inputs in a cell depend on the image in the cells beside it."""
        return self.inputs != (LAYOUT,)

    @property
    def is_real_only(self) -> bool:
        """Whether it is trained on real images only, into which corruptions were injected."""
        return self.training_set is not StreamTraining.domain_training_set


STREAMS: Final[dict[str, Stream]] = {
    CORRUPTION: Stream(
        (APPEARANCE, SEMANTICS), "context", 32, StreamTraining.corruption_training_set
    ),
    MISMATCH: Stream((SEMANTICS,), "context", 32, StreamTraining.mismatch_training_set),
    APPEARANCE: Stream((APPEARANCE,), "pixel", 64, StreamTraining.domain_training_set),
    SEMANTICS: Stream((SEMANTICS,), "pixel", 64, StreamTraining.domain_training_set),
    # of four coordinates, bounds in the image take long to learn
    LAYOUT: Stream((LAYOUT,), "pixel", 64, StreamTraining.domain_training_set, epoch_factor=3),
}
"""By name; the corruption stream comes first: those with context are trusted as far as they agree
with it."""
