"""Nodes and attributes of one HDF5 file that may be hostile, by the library's own calls.

They take a tenth of the time of h5py's objects, and a score file would need some fifty of those.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t, h5z

from curate.errors import StoreError
from curate.scores import packing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Attribute = str | int | float | None

_MAX_RATIO: Final = 1100
"""Deflate never packs more than 1032 bytes into one; what claims more is made to fill memory."""

_MAX_CHUNK_BYTES: Final = 1 << 29


class Dataset(NamedTuple):
    """A data set and what it says of itself, asked once: each answer makes objects of h5py's.

    Attributes
    ----------
    node : h5py.h5d.DatasetID
    shape : tuple of int
        Empty where it has none.
    dtype : numpy.dtype
    settings : h5py.h5p.PropDCID
        How it is stored.
    """

    node: h5d.DatasetID
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    settings: Any

    @property
    def size(self) -> int:
        """Return the bytes of all its values."""
        return int(math.prod(self.shape) * self.dtype.itemsize)


def describe(node: h5d.DatasetID) -> Dataset:
    """Ask a data set what it is."""
    return Dataset(node, node.shape or (), node.dtype, node.get_create_plist())


def step(above: Any, name: str, path: str, where: Path) -> Any:  # noqa: ANN401
    """Open what a group holds under a name, without ever leaving the file.

    Parameters
    ----------
    above : GroupID
        Anything else holds nothing.
    path : str
        Where that is in the file `where`, for errors.
    """
    key = name.encode()
    if not isinstance(above, h5g.GroupID) or not above.links.exists(key):
        refuse(where, path, "is missing")
    if above.links.get_info(key).type != h5l.TYPE_HARD:
        refuse(where, path, "is a link, which is not followed")
    return h5o.open(above, key)


def check_storage(
    found: Dataset, shape: tuple[int, ...], path: str, where: Path, *, file_bytes: int
) -> None:
    """Refuse values that lie in other files, or are more than this file can hold.

    Parameters
    ----------
    shape : tuple of int
        Of what is unpacked at once.
    """
    layout, problem, chunk = found.settings.get_layout(), "", ()
    if layout == h5d.CHUNKED:
        chunk = found.settings.get_chunk()
    is_simple = found.node.get_space().get_simple_extent_type() == h5s.SIMPLE
    if math.prod(chunk) * found.dtype.itemsize > _MAX_CHUNK_BYTES:
        problem = f"is in chunks of {chunk}, each of which is unpacked as a whole"
    claimed = max(math.prod(shape), math.prod(chunk)) * found.dtype.itemsize
    if layout == h5d.VIRTUAL or found.settings.get_external_count():
        problem = "points to another file, which is not read"
    elif not is_simple or claimed > _MAX_RATIO * file_bytes:
        problem = f"claims {claimed} bytes, which the file cannot hold"
    if problem:
        refuse(where, path, problem)


def refuse(where: Path, path: str, problem: str) -> NoReturn:
    """Raise the error."""
    msg = f"{where}: '{path}' {problem}. Score the data set again."
    raise StoreError(msg)


def find_compression(found: Dataset, shape: tuple[int, int]) -> str | None:
    """Recognise how `curate.scores.packing.pack` packs; None for any other way."""
    settings = found.settings
    if settings.get_layout() != h5d.CHUNKED or settings.get_chunk() != (1, *shape):
        return None
    filters = [settings.get_filter(index)[0] for index in range(settings.get_nfilters())]
    shuffle = [h5z.FILTER_SHUFFLE] if found.dtype.itemsize > 1 else []
    for name, how in packing.COMPRESSIONS.items():
        if filters == [*shuffle, how.filter_id]:
            return name
    return None


def read_rows(found: Dataset, rows: slice) -> NDArray[Any]:
    """Read neighbouring rows of a column."""
    count, *others = found.shape
    first, last, _ = rows.indices(count)
    values = np.empty((max(0, last - first), *others), found.dtype)
    if values.shape == found.shape and values.size:
        found.node.read(h5s.ALL, h5s.ALL, values)
    elif values.size:
        space = found.node.get_space()
        space.select_hyperslab((first, *(0 for _ in others)), values.shape)
        found.node.read(h5s.create_simple(values.shape), space, values)
    return values


def read_attribute(node: Any, name: str) -> Attribute:  # noqa: ANN401 (h5py has no types)
    """Read a plain attribute; None if there is none, or it is of another type than ours.

    Strings of variable length are not even looked at: the HDF5 library never comes back from
    where they lie, if that is damaged.
    """
    if not h5a.exists(node, name.encode()):
        return None
    attribute = h5a.open(node, name.encode())
    kind = attribute.get_type()
    is_text = kind.get_class() == h5t.STRING
    if attribute.shape != () or (is_text and kind.is_variable_str()):
        return None
    value = np.empty((), attribute.dtype)
    if value.dtype.kind not in "Siuf":
        return None
    attribute.read(value)
    plain: str | int | float = value.item().decode() if is_text else value.item()
    return plain
