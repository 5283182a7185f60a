"""Tars as WebDataset writes them: members of one key stand one after the other.

https://github.com/webdataset/webdataset: the key is the path up to the first dot of the name.
"""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

from curate.data.shards.shard import damaged, open_handle
from curate.files import transfer

if TYPE_CHECKING:
    from pathlib import Path


class TarShard:
    """A tar that is not compressed; of members with one name, the last counts."""

    def __init__(self, path: Path) -> None:
        self._places: dict[str, tuple[int, int]] = {}
        try:
            self._file = open_handle(path)
            self._places |= transfer.remember(path, _read_places)
        except (tarfile.TarError, OSError, ValueError) as error:
            raise damaged(path, f"it is no sound tar ({error})") from error

    def names(self) -> list[str]:
        """List the members."""
        return list(self._places)

    def size(self, name: str) -> int:
        """Return the bytes of a member."""
        return self._places[name][1]

    def read(self, name: str) -> bytes:
        """Read a member from where it lies."""
        return self._file.read(*self._places[name])


def _read_places(path: Path) -> dict[str, tuple[int, int]]:
    """Read the header of each member: where it lies, and its size."""
    places: dict[str, tuple[int, int]] = {}
    with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            tar.members.clear()  # type: ignore[attr-defined]  # of a million it keeps all
            name = member.name.removeprefix("./")
            if member.isreg() and not member.issparse() and _is_plain(name):
                places[name] = (member.offset_data, member.size)
    return places


def _is_plain(name: str) -> bool:
    """Tell whether a name leads nowhere else, and is not hidden."""
    return not any(part in {"", ".."} or part.startswith(".") for part in name.split("/"))
