"""Faults that can be planted in labelled images, each at known pixels; numpy and scikit-image only.

A fault draws parameters from a generator, then applies them deterministically. What a fault
cannot do to an image (no object to paint out, no second class to name) it leaves undone: image
and label come back as they were, and no pixel counts as spoiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from curate.corruptions.base import STRENGTHS, Corrupted, Corruption, Draw
from curate.corruptions.blur import Blur
from curate.corruptions.eroded_label import ErodedLabel
from curate.corruptions.flat import Flat
from curate.corruptions.light import Light
from curate.corruptions.missing_object import MissingObject
from curate.corruptions.mixture import Mixture
from curate.corruptions.noise import Noise
from curate.corruptions.pasted import Pasted
from curate.corruptions.scene import Scene
from curate.corruptions.shifted_label import ShiftedLabel
from curate.corruptions.style import Style
from curate.corruptions.wrong_label import WrongLabel
from curate.corruptions.wrong_scale import WrongScale
from curate.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CORRUPTIONS",
    "STRENGTHS",
    "Corrupted",
    "Corruption",
    "Draw",
    "Mixture",
    "Scene",
    "choose_corruptions",
]

_SINGLE: Final[dict[str, Corruption]] = {
    "style": Style(),
    "blur": Blur(),
    "noise": Noise(),
    "flat": Flat(),
    "light": Light(),
    "wrong_scale": WrongScale(),
    "pasted": Pasted(),
    "missing_object": MissingObject(),
    "wrong_label": WrongLabel(),
    "shifted_label": ShiftedLabel(),
    "eroded_label": ErodedLabel(),
}

CORRUPTIONS: Final[dict[str, Corruption]] = _SINGLE | {"mixture": Mixture(tuple(_SINGLE.values()))}
"""One object a kind; a new one needs a file here and a line above, and is then tested, too."""


def choose_corruptions(names: Iterable[str]) -> dict[str, Corruption]:
    """Look kinds up by name.

    Raises
    ------
    UsageError
        If a name is unknown, or none is given.
    """
    chosen = {}
    for name in names:
        if name not in CORRUPTIONS:
            hint = did_you_mean(name, CORRUPTIONS, cutoff=0.5)
            msg = f"'{name}' is no kind of fault. Known kinds: {', '.join(CORRUPTIONS)}. {hint}"
            raise UsageError(msg.rstrip())
        chosen[name] = CORRUPTIONS[name]
    if not chosen:
        msg = f"No kind of fault is named. Name one or more of {', '.join(CORRUPTIONS)}."
        raise UsageError(msg)
    return chosen
