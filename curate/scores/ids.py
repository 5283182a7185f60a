"""Which image ids can name a node in an HDF5 file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from curate.errors import StoreError
from curate.scores.arrow import from_arrow, texts_to_arrow, to_arrow

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa


class IdBook:
    """Ids seen so far; refuses those that cannot be stored beside each other."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._folders: set[str] = set()

    def add(self, image_id: str) -> None:
        """Take up an id; one that is known already is fine.

        Raises
        ------
        StoreError
            If the id is empty, has an empty, ``.`` or ``..`` part, holds NUL or bytes that are no
            UTF-8, or is a folder of another id (or the other way round).
        """
        check_text(image_id, "image id")
        parts = image_id.split("/")
        if any(part in {"", ".", ".."} for part in parts):
            _refuse("image id", image_id, "has an empty, '.' or '..' part")
        folders = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        for folder in folders:
            if folder in self._ids:
                _refuse("image id", image_id, f"lies in '{folder}', itself an image")
        if image_id in self._folders:
            _refuse("image id", image_id, "is at the same time a folder with images")
        self._ids.add(image_id)
        self._folders.update(folders)


def check_ids(ids: Iterable[str]) -> None:
    """Check, before any work is done, that all ids can be stored in one score file.

    Raises
    ------
    StoreError
        Naming the first id that cannot.
    """
    book = IdBook()
    for image_id in ids:
        book.add(image_id)


def check_id_column(ids: pa.LargeStringArray) -> None:
    """Do what `check_ids` does for a whole column at once.

    Parameters
    ----------
    ids : (N,) string
        Sorted, each once.

    Raises
    ------
    StoreError
        Naming the first id that cannot be stored.
    """
    if not len(ids):
        return
    is_hostile = pc.match_substring_regex(ids, r"(^|/)\.{0,2}(/|$)|\x00")
    if pc.any(is_hostile).as_py():
        IdBook().add(ids.filter(is_hostile)[0].as_py())
    folders: set[str] = set()
    parts = pc.split_pattern(ids, "/", max_splits=1, reverse=True)
    lengths = from_arrow(pc.list_value_length(parts))
    if (lengths == 1).any():  # those lie in no folder
        parts = parts.filter(to_arrow(lengths > 1))
    firsts = parts.flatten().take(to_arrow(2 * np.arange(len(parts))))
    for folder in pc.unique(firsts).to_pylist():
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    is_both = pc.is_in(ids, texts_to_arrow(sorted(folders)))
    if pc.any(is_both).as_py():
        _refuse("image id", ids.filter(is_both)[0].as_py(), "is at the same time a folder")


def check_text(text: str, what: str) -> None:
    """Refuse a string that HDF5 or Parquet would cut off or could not hold."""
    if "\0" in text:
        _refuse(what, text, "holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse(what, text, "is not valid UTF-8")


def _refuse(what: str, text: str, reason: str) -> None:
    """Raise the error."""
    msg = f"{what} {text!a} {reason} and cannot be stored. Rename the file."
    raise StoreError(msg)
