"""What lies on the disk: score files to read, and what is not curate's own and never replaced."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq

from curate import errors
from curate.files import atomic, state
from curate.scores import h5_read, schema, targets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SHARD: Final = re.compile(r"part-\d{5,}\.(h5|images\.parquet|regions\.parquet)")
_TABLE: Final = f".{schema.IMAGES}.parquet"
_PIECE: Final = re.compile(r"piece-\d{8,}-\d{4,}\.h5|lock|overwrite")


def choose_scores(named: Sequence[Path], root: Path) -> list[Path]:
    """Take the score files that are named, else the newest of a project, else its only one.

    Parameters
    ----------
    root : Path
        Folder of curate.toml.

    Raises
    ------
    UsageError
        If none is named or remembered, and not exactly one is found.
    """
    return list(named) or state.latest_scores(root, partial(find_scores, root))


def find_scores(folder: Path) -> list[Path]:
    """List the score files of a folder by what they say of themselves, whatever their names."""
    found = [path for path in folder.glob("*.h5") if is_scores(path)]
    found += [path.parent for path in folder.glob("*/part-00001.h5") if is_scores(path)]
    for table in folder.glob(f"*{_TABLE}"):
        name = table.name.removesuffix(_TABLE)
        if not (folder / f"{name}.h5").exists() and is_scores(table):
            found.append(folder / f"{name}.parquet")
    return sorted(found)


def refuse_foreign(target: targets.Target) -> None:
    """Refuse to replace, or to work in, anything that curate did not write.

    Raises
    ------
    UsageError
        Naming what is in the way.
    """
    _refuse_strange_names(target.pieces, _PIECE)
    if target.kind is targets.Kind.SHARDS:
        _refuse_strange_names(target.path, _SHARD)
        places = [path for path in _list(target.path) if _SHARD.fullmatch(path.name)]
    else:
        places = target.found()
    for path in places:
        if not is_scores(path):
            _refuse(path, "is no score file, or a damaged one")


def _refuse_strange_names(folder: Path, own: re.Pattern[str]) -> None:
    """Refuse a folder that holds what is not called like curate's files, or no folder."""
    if (folder.exists() or folder.is_symlink()) and not folder.is_dir():
        _refuse(folder, "is no folder")
    for path in _list(folder):
        is_own = own.fullmatch(path.name) or atomic.is_aside(path.name, own.fullmatch)
        if not is_own or path.is_dir() or path.is_symlink():
            _refuse(folder, f"holds {path.name!r}, which 'curate score' did not write")


def _list(folder: Path) -> list[Path]:
    """List the content of a folder, if it is there."""
    return sorted(folder.iterdir()) if folder.is_dir() else []


def is_scores(path: Path) -> bool:
    """Tell whether a file says that it holds scores, of whatever version."""
    if not path.is_file():
        return False
    try:
        if path.suffix == ".parquet":
            with h5_read.reading(path):
                about = pq.read_schema(path).metadata or {}
            return about.get(schema.Attr.FORMAT.encode()) == schema.FORMAT.encode()
        return h5_read.read_format(path) == schema.FORMAT
    except errors.StoreError:
        return False


def _refuse(path: Path, what: str) -> None:
    """Raise the error."""
    msg = f"{path} {what}, so that it is not replaced. Remove it yourself, or name another --out."
    raise errors.UsageError(msg)
