"""What was seen of data sets, kept beside curate.toml: a known file is not looked at again.

One file a data set, a line of JSON a pair, each line complete when it is written. A process that is
killed leaves at most one torn line, which is not read; what was seen before it is kept. Nothing
depends on these files: where they cannot be written, the data is looked at anew each time.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter, ValidationError

from curate.checking import facts as record
from curate.errors import StoreError
from curate.files.atomic import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FOLDER_NAME: Final = ".curate"
_MAX_WASTE: Final = 2
"""The file is written anew if it has so many times the lines that are needed."""

_ADAPTER: Final = TypeAdapter(record.Facts)


class Memory:
    """What is known of the files of one data set.

    Parameters
    ----------
    project : Path
        Folder of curate.toml.
    root : Path
        Folder of the data set.

    Attributes
    ----------
    path : Path
        Where it is kept.
    """

    def __init__(self, project: Path, root: Path) -> None:
        key = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:12]
        self.path = project / FOLDER_NAME / f"seen-{key}.jsonl"
        self._known: dict[tuple[str, str], record.Facts] = {}
        self._num_lines = 0
        self._is_kept = not self.path.parent.is_symlink()  # which may lead anywhere
        content = self._read()
        self._is_torn = not content.endswith(b"\n") and content != b""
        for line in content.splitlines():
            self._num_lines += 1
            try:
                known = _ADAPTER.validate_json(line)
            except ValidationError:  # torn, or of another version
                continue
            self._known[known.image_path, known.label_path] = known

    def recall(
        self, image_path: str, label_path: str, stamp: record.Stamp, *, is_deep: bool
    ) -> record.Facts | None:
        """Return what is known of a pair; None if that is nothing, too little or out of date."""
        known = self._known.get((image_path, label_path))
        if known is None or known.stamp != stamp or (is_deep and not known.is_deep):
            return None
        return known

    def keep(self, seen: Iterable[record.Facts]) -> None:
        """Add what was seen; on a disk that refuses, nothing more is kept."""
        lines = []
        for each in seen:
            self._known[each.image_path, each.label_path] = each
            lines.append(_write_line(each))
        if not lines or not self._is_kept:
            return
        try:
            self.path.parent.mkdir(exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            handle = os.open(self.path, flags | getattr(os, "O_NONBLOCK", 0), 0o644)
        except OSError:
            self._is_kept = False
            return
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                os.write(handle, ("\n" * self._is_torn + "".join(lines)).encode())
                self._is_torn = False
                self._num_lines += len(lines)
        except OSError:
            self._is_kept = False
        finally:
            os.close(handle)

    def tidy(self, in_use: Iterable[record.Facts]) -> None:
        """Write the file anew, in order, if most of its lines are out of date or out of place."""
        lines = [_write_line(each) for each in in_use]
        if self._is_kept and self._num_lines > _MAX_WASTE * len(lines):
            try:
                write_bytes(self.path, "".join(lines).encode())
            except StoreError:
                self._is_kept = False

    def _read(self) -> bytes:
        """Read the file, if it is one and lies where it should."""
        try:
            is_file = stat.S_ISREG(self.path.lstat().st_mode)
            return self.path.read_bytes() if is_file and self._is_kept else b""
        except OSError:
            return b""


def _write_line(seen: record.Facts) -> str:
    """Write one line; names of files may hold anything."""
    return json.dumps(asdict(seen), separators=(",", ":")) + "\n"
