"""From NumPy and Python to Arrow and back, without pandas, which pyarrow's own ways import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def to_arrow(values: NDArray[Any], *, is_null: NDArray[np.bool_] | None = None) -> pa.Array:
    """Show numbers or truth values as an Arrow array, without a copy where that is possible.

    Parameters
    ----------
    values : (N,) or (N, C)
        Rows of a matrix become lists of fixed size.
    is_null : (N,) bool, optional
        Values that are missing; only for (N,).

    Examples
    --------
    >>> to_arrow(np.array([1, 2]), is_null=np.array([False, True])).to_pylist()
    [1, None]
    """
    if values.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(to_arrow(values.reshape(-1)), values.shape[1])
    is_given = None if is_null is None else _bits(~is_null)
    if values.dtype == np.bool_:
        return pa.Array.from_buffers(pa.bool_(), len(values), [is_given, _bits(values)])
    content = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), len(values), [is_given, content]
    )


def from_arrow(values: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Show an Arrow array of numbers or truth values, none of them missing, as a NumPy array.

    Examples
    --------
    >>> from_arrow(to_arrow(np.array([False, True, True]))[1:]).tolist()
    [True, True]
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    rows = slice(values.offset, values.offset + len(values))
    content = values.buffers()[1]
    if pa.types.is_boolean(values.type):
        packed = np.frombuffer(content or b"", np.uint8)
        return np.unpackbits(packed, bitorder="little")[rows].astype(np.bool_)
    return np.frombuffer(content or b"", values.type.to_pandas_dtype())[rows]


def texts_to_arrow(texts: Sequence[str] | NDArray[np.object_]) -> pa.LargeStringArray:
    """Copy strings to an Arrow array.

    Examples
    --------
    >>> texts_to_arrow(["a", "", "bc"]).to_pylist()
    ['a', '', 'bc']
    """
    contents = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, contents)], dtype=np.int64)
    buffers = pa.py_buffer(ends), pa.py_buffer(b"".join(contents))
    return pa.LargeStringArray.from_buffers(len(texts), *buffers)


def text_scalar(text: str) -> pa.LargeStringScalar:
    """Make an Arrow string that goes with columns of strings."""
    return texts_to_arrow([text])[0]


def _bits(values: NDArray[np.bool_]) -> pa.Buffer:
    """Pack truth values, the first into the lowest bit."""
    return pa.py_buffer(np.packbits(values, bitorder="little"))
