"""Corruptions that can be injected into labelled images, each at known pixels; needs no torch.

A corruption samples its parameters from a generator, then applies them deterministically. What it
cannot do to an image (no object to paint out, no second class to name) it leaves undone: image
and label come back as they were, and no pixel counts as corrupted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from curate.corruptions import appearance, content, label_errors
from curate.corruptions.corruption import STRENGTHS, Corrupted, Corruption, LabelledImage, Mixture
from curate.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CORRUPTIONS",
    "STRENGTHS",
    "Corrupted",
    "Corruption",
    "LabelledImage",
    "Mixture",
    "choose_corruptions",
]

_SINGLE: Final[dict[str, Corruption]] = {
    "style": appearance.Style(),
    "blur": appearance.Blur(),
    "noise": appearance.Noise(),
    "flat": appearance.Flat(),
    "light": appearance.Light(),
    "wrong_scale": content.WrongScale(),
    "pasted": content.Pasted(),
    "missing_object": content.MissingObject(),
    "wrong_label": label_errors.WrongLabel(),
    "shifted_label": label_errors.ShiftedLabel(),
    "eroded_label": label_errors.ErodedLabel(),
}

CORRUPTIONS: Final[dict[str, Corruption]] = _SINGLE | {"mixture": Mixture(tuple(_SINGLE.values()))}
"""By name; a new one needs a class in this folder and a line above, and is then tested, too."""


def choose_corruptions(names: Iterable[str]) -> dict[str, Corruption]:
    """Look corruptions up by name.

    Raises
    ------
    UsageError
        If a name is unknown, or none is given.
    """
    chosen = {}
    for name in names:
        if name not in CORRUPTIONS:
            hint = did_you_mean(name, CORRUPTIONS, cutoff=0.5)
            known = ", ".join(CORRUPTIONS)
            msg = f"'{name}' is no corruption. Known corruptions: {known}. {hint}"
            raise UsageError(msg.rstrip())
        chosen[name] = CORRUPTIONS[name]
    if not chosen:
        msg = f"No corruption is named. Name one or more of {', '.join(CORRUPTIONS)}."
        raise UsageError(msg)
    return chosen
