"""Every error that curate raises on purpose.

::

    CurateError
    ├── UsageError      a command or function was called in a way it cannot serve   (exit 2)
    ├── ConfigError     curate.toml, an id map or a setting is wrong                (exit 2)
    ├── DataError       a data set or one of its files is unfit                     (exit 1)
    │   └── LabelError  a label file is unfit                                       (exit 1)
    ├── StoreError      a score file, or the disk under it, is unfit                (exit 1)
    └── RunError        a run folder is missing, foreign, newer, or training failed (exit 1)

A message says what was seen, what was required and what to do.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_OUT_OF_MEMORY: Final = ("out of memory", "not enough memory", "allocate memory", "alloc_failed")
"""What errors of torch that mean it say, in lower case: on a CPU they are plain `RuntimeError`."""


class CurateError(Exception):
    """Base of all expected errors; its text is complete without a traceback."""


class UsageError(CurateError):
    """A command or function was called in a way it cannot serve."""


class ConfigError(CurateError):
    """A configuration file or a setting is wrong."""


class DataError(CurateError):
    """A data set, or one of its files, is unfit.

    Parameters
    ----------
    message : str
        What was seen, what was required, what to do.
    code : str
        Machine-readable reason; becomes the ``status`` of the image in a score file.
    """

    def __init__(self, message: str, *, code: str = "bad_data") -> None:
        super().__init__(message)
        self.code = code


class LabelError(DataError):
    """A label file is unfit."""


class StoreError(CurateError):
    """A score file, or the disk under it, is unfit."""


class RunError(CurateError):
    """A run folder is missing, foreign or newer, or training failed."""


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Ask for the nearest known name: ``Did you mean 'blur'?``, empty where none is near.

    Parameters
    ----------
    cutoff : float
        Least similarity in [0, 1], as of `difflib.get_close_matches`.
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"Did you mean '{near[0]}'?" if near else ""


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether the memory was too small, that of a device of torch's too."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in _OUT_OF_MEMORY)
