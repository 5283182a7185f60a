"""Faults that can be planted in labelled images, each at known pixels; numpy and scikit-image only.

A fault draws parameters from a generator, then applies them deterministically. What a fault
cannot do to an image (no object to paint out, no second class to name) it leaves undone: image
and label come back as they were, and no pixel counts as spoiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from curate.errors import UsageError
from curate.faults.base import STRENGTHS, Draw, Fault, Planted
from curate.faults.blur import Blur
from curate.faults.eroded_label import ErodedLabel
from curate.faults.flat import Flat
from curate.faults.light import Light
from curate.faults.missing_object import MissingObject
from curate.faults.mixture import Mixture
from curate.faults.noise import Noise
from curate.faults.pasted import Pasted
from curate.faults.scene import Scene
from curate.faults.shifted_label import ShiftedLabel
from curate.faults.style import Style
from curate.faults.wrong_label import WrongLabel
from curate.faults.wrong_scale import WrongScale
from curate.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FAULTS", "STRENGTHS", "Draw", "Fault", "Mixture", "Planted", "Scene", "choose_faults"]

_SINGLE: Final[dict[str, Fault]] = {
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

FAULTS: Final[dict[str, Fault]] = _SINGLE | {"mixture": Mixture(tuple(_SINGLE.values()))}
"""One object a kind; a new one needs a file here and a line above, and is then tested, too."""


def choose_faults(names: Iterable[str]) -> dict[str, Fault]:
    """Look kinds up by name.

    Raises
    ------
    UsageError
        If a name is unknown, or none is given.
    """
    chosen = {}
    for name in names:
        if name not in FAULTS:
            hint = did_you_mean(name, FAULTS, cutoff=0.5)
            msg = f"'{name}' is no kind of fault. Known kinds: {', '.join(FAULTS)}. {hint}"
            raise UsageError(msg.rstrip())
        chosen[name] = FAULTS[name]
    if not chosen:
        msg = f"No kind of fault is named. Name one or more of {', '.join(FAULTS)}."
        raise UsageError(msg)
    return chosen
