"""What a score file says about itself before any table is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from curate.errors import StoreError
from curate.scores.h5_read import reading
from curate.scores.provenance import decode
from curate.scores.schema import ATTR_PROVENANCE, ATTR_ROOT
from curate.scores.tables_arrow import read_metadata

if TYPE_CHECKING:
    import h5py

    from curate.scores.targets import Target


class Header(NamedTuple):
    """Provenance, and where the data set was."""

    provenance: dict[str, Any]
    dataset_root: str


def read_h5_header(file: h5py.File) -> Header:
    """Read the header of an open HDF5 file."""
    with reading(file.filename):
        provenance, root = file.attrs.get(ATTR_PROVENANCE), file.attrs.get(ATTR_ROOT)
    return Header(decode(provenance, where=file.filename), root if isinstance(root, str) else "")


def read_table_headers(target: Target) -> list[Header]:
    """Read the headers of the Parquet tables, and make sure that they were written together."""
    headers, pairs = [], set()
    for path in (target.images_table, target.regions_table):
        if path == target.images_table or path.exists():
            metadata = read_metadata(path)
            headers.append(
                Header(decode(metadata.provenance, where=str(path)), metadata.dataset_root)
            )
            pairs.add(metadata.pair)
    if len(pairs) > 1:
        msg = (
            f"{target.images_table} and {target.regions_table.name} are of different score "
            "files. Score again with --resume or --overwrite."
        )
        raise StoreError(msg)
    return headers
