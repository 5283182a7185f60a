"""Maps as the bytes that an HDF5 file stores of them, packed wherever there is a core to spare."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_DEFLATE_LEVEL: Final = 4
_ZSTD_LEVEL: Final = 3


@dataclass(frozen=True, slots=True)
class Compression:
    """A way to pack the bytes of a map.

    Attributes
    ----------
    filter_id : int
        Number of the filter in the HDF5 registry.
    filter_options : tuple of int
        What the filter is to be told.
    is_builtin : bool
        Whether the HDF5 library unpacks it by itself; else hdf5plugin is needed.
    compress : callable
        From bytes to bytes that the filter unpacks.
    decompress : callable
        ``(content, size)``: the other way round, never to more than a byte beyond `size`.
    """

    filter_id: int
    filter_options: tuple[int, ...]
    is_builtin: bool
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes, int], bytes]


def _deflate(content: bytes) -> bytes:
    """Compress as HDF5's own deflate filter does."""
    return zlib.compress(content, _DEFLATE_LEVEL)


def _inflate(content: bytes, size: int) -> bytes:
    """Undo `_deflate`; the checksum at the end is looked at."""
    packed = zlib.decompressobj()
    try:
        found = packed.decompress(content, size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not packed.eof:
        msg = "a map is cut off, or larger than its table says"
        raise ValueError(msg)
    return found


def _zstd(content: bytes) -> bytes:
    """Compress to one Zstandard frame."""
    packed: bytes = _zstd_codec().compress(content, asbytes=True)
    return packed


def _unzstd(content: bytes, size: int) -> bytes:
    """Undo `_zstd`; a frame of another size is refused."""
    found: bytes = _zstd_codec().decompress(content, size, asbytes=True)
    return found


def _zstd_codec() -> Any:  # noqa: ANN401 (pyarrow has no types)
    """Return what packs and unpacks a frame."""
    import pyarrow as pa

    return pa.Codec("zstd", compression_level=_ZSTD_LEVEL)


COMPRESSIONS: Final[dict[str, Compression]] = {
    "deflate": Compression(1, (_DEFLATE_LEVEL,), True, _deflate, _inflate),
    "zstd": Compression(32015, (_ZSTD_LEVEL,), False, _zstd, _unzstd),
}
"""Ways to pack by name; deflate can be read everywhere."""


@dataclass(frozen=True, slots=True)
class PackedMap:
    """A map of one image, packed as one chunk of an HDF5 data set.

    Attributes
    ----------
    shape : (int, int)
    dtype : str
        ``uint8``, ``uint16`` or ``uint32``, little-endian. The bytes of wider types are shuffled
        before they are packed: first the lowest byte of every value, then the next.
    compression : str
        Key of `COMPRESSIONS`.
    data : bytes
    """

    shape: tuple[int, int]
    dtype: str
    compression: str
    data: bytes


def pack(values: NDArray[Any], compression: str = "deflate") -> PackedMap:
    """Pack a map (h, w) of unsigned integers."""
    height, width = values.shape
    content = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    if values.itemsize > 1:
        content = content.reshape(-1, 1).view(np.uint8).T
    packed = COMPRESSIONS[compression].compress(content.tobytes())
    return PackedMap((height, width), values.dtype.name, compression, packed)


def unpack(packed: PackedMap) -> NDArray[Any]:
    """Undo `pack`; the result is the caller's own.

    Raises
    ------
    ValueError, OSError
        If the bytes are no map of this shape.
    """
    dtype = np.dtype(packed.dtype).newbyteorder("<")
    size = packed.shape[0] * packed.shape[1] * dtype.itemsize
    content = bytearray(COMPRESSIONS[packed.compression].decompress(packed.data, size))
    if len(content) != size:
        msg = f"a map takes {len(content)} bytes, not {size}"
        raise ValueError(msg)
    values = np.frombuffer(content, np.uint8)
    if dtype.itemsize > 1:
        values = np.ascontiguousarray(values.reshape(dtype.itemsize, -1).T)
    return values.view(dtype).reshape(packed.shape)


def check_compression(name: str) -> None:
    """Refuse an unknown way to pack, and one that this machine cannot write.

    Raises
    ------
    UsageError
    """
    if name not in COMPRESSIONS:
        msg = f"--compression {name} is not known: use one of {', '.join(COMPRESSIONS)}."
        raise UsageError(msg)
    if not COMPRESSIONS[name].is_builtin and not has_plugins():
        msg = (
            f"--compression {name} needs the package hdf5plugin, here and wherever h5py reads the "
            "scores: pip install 'curate-seg[hdf5plugin]', or use --compression deflate."
        )
        raise UsageError(msg)


def has_plugins() -> bool:
    """Make further HDF5 filters known, if hdf5plugin is installed."""
    try:
        import hdf5plugin  # noqa: F401 (registers its filters)
    except ImportError:
        return False
    return True
