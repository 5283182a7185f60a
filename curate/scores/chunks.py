"""Reading a map that was read before from where it lies in its file, past the HDF5 library.

Finding a map costs the library ten times as much as unpacking it, and a trainer reads every map
once an epoch.
"""

from __future__ import annotations

import math
import os
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import h5py
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DEFLATE: Final = [h5py.h5z.FILTER_DEFLATE]
_SHUFFLE_DEFLATE: Final = [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE]


class Chunk(NamedTuple):
    """The one chunk of a map.

    Attributes
    ----------
    offset, size : int
        Where its bytes begin in the file, and how many there are.
    shape : tuple of int
    dtype : str
    is_shuffled : bool
        Whether the lowest bytes of all values come first.
    """

    offset: int
    size: int
    shape: tuple[int, ...]
    dtype: str
    is_shuffled: bool


def locate(node: h5py.h5d.DatasetID) -> Chunk | None:
    """Find the chunk of an open map; None if it is stored or packed in another way than ours."""
    settings = node.get_create_plist()
    filters = [settings.get_filter(index)[0] for index in range(settings.get_nfilters())]
    if settings.get_layout() != h5py.h5d.CHUNKED or settings.get_chunk() != node.shape:
        return None
    if filters not in (_DEFLATE, _SHUFFLE_DEFLATE) or node.get_num_chunks() != 1:
        return None
    info = node.get_chunk_info(0)
    if info.filter_mask or info.byte_offset is None:
        return None
    return Chunk(
        info.byte_offset, info.size, node.shape, node.dtype.str, filters == _SHUFFLE_DEFLATE
    )


def read_chunk(handle: int, chunk: Chunk) -> NDArray[Any]:
    """Read and unpack a map.

    Parameters
    ----------
    handle : int
        Of the open file; its position is left alone.

    Raises
    ------
    OSError, ValueError
        If the file has changed, so that something else lies there.
    """
    dtype = np.dtype(chunk.dtype)
    expected = math.prod(chunk.shape) * dtype.itemsize
    packed = os.pread(handle, chunk.size, chunk.offset)
    try:
        content = bytearray(zlib.decompressobj().decompress(packed, expected + 1))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(content) != expected:
        msg = f"a map takes {len(content)} bytes, not {expected}"
        raise ValueError(msg)
    values = np.frombuffer(content, np.uint8)
    if chunk.is_shuffled:
        values = np.ascontiguousarray(values.reshape(dtype.itemsize, -1).T)
    return values.view(dtype).reshape(chunk.shape)
