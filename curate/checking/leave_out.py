"""Lists of files that are to be left out: ``--fix-list`` of ``check`` writes, of others takes one.

::

    [[leave_out]]
    file = "images/00017.png"     # path inside the data set
    code = "blank_image"
    dataset = "/data/gta5"        # without it: of any data set that has such a file
"""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from curate import errors, records, remote, texts
from curate.checking.problems import LEFT_OUT, Problem
from curate.config import Strict, parse
from curate.files.atomic import write_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.data.dataset import DataSource


class Entry(Strict):
    """One ``[[leave_out]]`` table."""

    file: str
    """Path of the image, or of its label, inside its data set."""

    code: str
    """Why it is left out; becomes its status."""

    dataset: str | None = None
    """Folder of the data set, relative to the list, or its URL; by default any that has such a
    file."""


class FixList(Strict):
    """The whole file."""

    leave_out: tuple[Entry, ...] = ()


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Refuse to replace a file, unless that is asked for and it is such a list.

    Raises
    ------
    UsageError
        If something is at `path`.
    """
    if not os.path.lexists(path):
        return
    if not overwrite:
        msg = f"{path} exists already. Name another file, or replace it with --overwrite."
        raise errors.UsageError(msg)
    try:
        read_fix_list(path)
    except errors.CurateError as error:
        msg = f"{path} is no list of what to leave out, so it is not replaced. Name another file."
        raise errors.UsageError(msg) from error


def write_fix_list(path: Path, problems: Sequence[Problem]) -> int:
    """Write the files that are better left out; return their number.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    first = {(p.dataset, p.file): p for p in reversed(problems) if p.file and p.code in LEFT_OUT}
    chosen = [p for p in problems if first.get((p.dataset, p.file or "")) is p]
    folder = path.absolute().parent
    tables = [
        f"[[leave_out]]\nfile = {_quote(p.file or '')}\ncode = {_quote(p.code)}\n"
        f"dataset = {_quote(_describe(p.dataset, folder))}\n"
        for p in chosen
    ]
    head = "# Files that 'curate check' found unfit. Delete the tables of those to keep.\n"
    write_bytes(path, "\n".join([head, *tables]).encode())
    return len(chosen)


def read_fix_list(path: Path) -> FixList:
    """Read such a file.

    Raises
    ------
    ConfigError
        If it cannot be read, or has other keys.
    """
    found = parse(FixList, texts.read_toml(path), where=str(path))
    folder = path.absolute().parent
    entries = (
        e if e.dataset is None else e.model_copy(update={"dataset": _locate(e.dataset, folder)})
        for e in found.leave_out
    )
    return FixList(leave_out=tuple(entries))


def _describe(dataset: str, folder: Path) -> str:
    """Name a data set so that the list finds it when both are moved together."""
    if remote.is_url(dataset):
        return str(remote.as_path(dataset))
    path = Path(dataset).absolute()
    return os.fspath(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _locate(dataset: str, folder: Path) -> str:
    """Make the one spelling of a data set's folder, or of its URL."""
    if remote.is_url(dataset):
        return str(remote.as_path(dataset))
    return os.path.realpath(folder / Path(dataset).expanduser())


def leave_out(source: DataSource, fixes: FixList) -> DataSource:
    """Give the images of a data set that a list names its code as status, so that none is used.

    An image that is unfit already keeps its status. Names that look the same are the same, in
    whichever form of Unicode they are spelled.
    """
    own = _locate(str(source.root), Path())
    codes = {
        unicodedata.normalize("NFC", entry.file): entry.code
        for entry in fixes.leave_out
        if entry.dataset in (None, own)
    }

    def judged(pair: records.Pair) -> records.Pair:
        found = (pair.image_path, pair.label_path, pair.id)
        names = [unicodedata.normalize("NFC", name) for name in found]
        code = next((codes[name] for name in names if name in codes), None)
        return pair if code is None or pair.status != records.OK else pair._replace(status=code)

    return replace(source, pairs=tuple(map(judged, source.pairs))) if codes else source


def apply_fix_list(source: DataSource, path: Path | str | None) -> DataSource:
    """Read a list, if there is one, and leave out what it names."""
    return source if path is None else leave_out(source, read_fix_list(Path(path)))


def _quote(text: str) -> str:
    """Write a string as TOML does."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
