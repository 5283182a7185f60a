"""The three shapes of a score file on disk, told apart by its name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from curate import remote
from curate.errors import UsageError
from curate.files import transfer
from curate.scores.schema import IMAGES, REGIONS

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

_H5: Final = (".h5", ".hdf5")
_PARQUET: Final = ".parquet"
SHARD_NAME: Final = "part-{:05d}.h5"
"""Files of a folder, counted from 1."""

SHARD_BYTES: Final = 20_000_000_000
"""Largest size of one of them."""


class Kind(Enum):
    """What lies at the path of a score file."""

    H5 = "one HDF5 file with two Parquet tables beside it"
    SHARDS = "a folder of HDF5 files, each with two Parquet tables beside it"
    TABLES = "two Parquet tables"


@dataclass(frozen=True, slots=True)
class Target:
    """Where the parts of a score file are.

    Attributes
    ----------
    path : Path
        As the person names it; of `Kind.TABLES` nothing lies at this very path.
    """

    path: Path
    kind: Kind

    @property
    def has_maps(self) -> bool:
        """Tell whether there is room for maps."""
        return self.kind is not Kind.TABLES

    @property
    def images_table(self) -> Path:
        """Return the path of the table of images."""
        return self._table(IMAGES)

    @property
    def regions_table(self) -> Path:
        """Return the path of the table of regions."""
        return self._table(REGIONS)

    @property
    def pieces(self) -> Path:
        """Return the folder that holds finished pieces until all are there."""
        return self.path.with_name(f"{self.path.name}.pieces")

    def h5_files(self) -> list[Path]:
        """List the HDF5 files that are there."""
        if self.kind is Kind.SHARDS:
            return sorted(self.path.glob("*.h5"))
        return [self.path] if self.kind is Kind.H5 and self.path.exists() else []

    def tables(self) -> list[Target]:
        """List the pairs of Parquet tables that are there, or shall be, without an HDF5 file."""
        if self.kind is not Kind.SHARDS:
            return [self] if self.kind is Kind.TABLES else []
        ends = f".{IMAGES}{_PARQUET}"
        names = sorted(path.name.removesuffix(ends) for path in self.path.glob(f"*{ends}"))
        return [Target(self.path / f"{name}{_PARQUET}", Kind.TABLES) for name in names]

    def files(self) -> list[Target]:
        """List the finished files that are there, each by itself."""
        if self.kind is Kind.TABLES:
            return [self] if self.images_table.exists() else []
        return [Target(path, Kind.H5) for path in self.h5_files()]

    @property
    def places(self) -> list[Path]:
        """List where its files are, or shall be; of a folder, the folder."""
        if self.kind is Kind.SHARDS:
            return [self.path]
        return [*([self.path] if self.has_maps else []), self.images_table, self.regions_table]

    def found(self) -> list[Path]:
        """List the `places` where anything is, be it a link to nothing."""
        return [path for path in self.places if os.path.lexists(path)]

    def exists(self) -> bool:
        """Tell whether a finished score file is there, or something else in its place."""
        if self.kind is Kind.SHARDS and self.path.is_dir():
            return any(self.path.iterdir())
        return bool(self.found())

    def _table(self, name: str) -> Path:
        """Return the path of a Parquet table; in a folder, each HDF5 file has its own."""
        return self.path.with_name(f"{self.path.stem}.{name}{_PARQUET}")


def fetch(path: Path | str) -> Path:
    """Return the real path of a score file, or of a copy of a remote one."""
    given = remote.real_path(path)
    return transfer.fetch(given, resolve_target(given).places)


def staged(
    out: Path | str, *, overwrite: bool, resume: bool = False
) -> AbstractContextManager[Path]:
    """Yield where to write a score file: `out`, or a local path in place of a remote one."""
    return transfer.staged(
        remote.as_path(out),
        lambda path: resolve_target(path).places,
        last=SHARD_NAME.format(1),
        overwrite=overwrite,
        resume=resume,
    )


def resolve_target(path: Path) -> Target:
    """Recognise what `path` shall be, or is.

    ``*.h5`` is one file; ``*.parquet`` the two tables alone (either of them names both); a folder
    or a name without suffix is a folder of shards.

    Raises
    ------
    UsageError
        If the suffix is another one.
    """
    if path.is_dir() or not path.suffix:
        return Target(path, Kind.SHARDS)
    if path.suffix in _H5:
        return Target(path, Kind.H5)
    if path.suffix == _PARQUET:
        for name in (IMAGES, REGIONS):
            if path.stem.endswith(f".{name}"):
                path = path.with_name(path.stem.removesuffix(f".{name}") + _PARQUET)
                break
        return Target(path, Kind.TABLES)
    msg = (
        f"{path} is no name for a score file: use NAME.h5, NAME.parquet (tables only), or a "
        "folder name without a suffix (shards)."
    )
    raise UsageError(msg)
