"""Help with a name that is not known."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Ask for the nearest known name: ``Did you mean 'blur'?``, empty where none is near.

    Parameters
    ----------
    cutoff : float
        Least similarity in [0, 1], as of `difflib.get_close_matches`.
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"Did you mean '{near[0]}'?" if near else ""
