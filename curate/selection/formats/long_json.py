"""JSON files with a list that need not fit into memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import BinaryIO


class LongJson:
    """An object of which one value is a list that is written piece by piece.

    Parameters
    ----------
    file : binary file
    head : dict
        What stands before the list; not empty.
    key : str
        What the list is called.
    """

    def __init__(self, file: BinaryIO, head: dict[str, Any], key: str) -> None:
        self._file = file
        self._is_first = True
        file.write(f"{json.dumps(head)[:-1]}, {json.dumps(key)}: [".encode())

    def add(self, value: dict[str, Any]) -> None:
        """Append to the list."""
        start = "\n" if self._is_first else ",\n"
        self._file.write(f"{start}{json.dumps(value)}".encode())
        self._is_first = False

    def finish(self, tail: dict[str, Any]) -> None:
        """End the list, and write what stands after it, if anything does."""
        end = f", {json.dumps(tail)[1:]}" if tail else "}"
        self._file.write(f"\n]{end}\n".encode())
