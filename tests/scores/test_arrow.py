from __future__ import annotations

import doctest
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

import curate.scores.arrow
from curate.scores.arrow import from_arrow, text_scalar, texts_to_arrow, to_arrow


def test_examples_hold():
    assert doctest.testmod(curate.scores.arrow).failed == 0


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "uint8", "float64", "float32"])
def test_numbers_keep_value_and_type(dtype):
    values = np.arange(5, dtype=dtype)[::2]
    assert to_arrow(values).equals(pa.array([0, 2, 4], pa.from_numpy_dtype(dtype)))


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 65])
def test_truth_values_are_packed_in_order(count):
    values = np.arange(count) % 3 == 0
    assert to_arrow(values).to_pylist() == values.tolist()


def test_arrays_come_back_whatever_part_of_them_is_shown():
    for values in (np.arange(20) % 3 == 0, np.arange(20), np.arange(20.0), np.empty(0)):
        found = to_arrow(values)
        assert from_arrow(found).dtype == values.dtype
        assert from_arrow(found).tolist() == values.tolist()
        assert from_arrow(found[9:17]).tolist() == values[9:17].tolist()
        chunks = pa.chunked_array([found[:3], found[5:]])
        assert from_arrow(chunks).tolist() == [*values[:3], *values[5:]]


def test_missing_values_are_null():
    is_null = np.array([True, False, True])
    assert to_arrow(np.array([1.0, 2.0, 3.0]), is_null=is_null).to_pylist() == [None, 2.0, None]


def test_matrices_become_lists_of_fixed_size():
    table = to_arrow(np.array([[1, 2, 3], [4, 5, 6]]))
    assert table.type == pa.list_(pa.int64(), 3)
    assert table.to_pylist() == [[1, 2, 3], [4, 5, 6]]
    assert len(to_arrow(np.empty((0, 2)))) == 0


def test_pandas_stays_out():
    code = (
        "import sys, numpy; from curate.scores.arrow import text_scalar, to_arrow\n"
        "text_scalar('a')\n"
        "to_arrow(numpy.arange(3.0), is_null=numpy.zeros(3, bool)); print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_strings_are_long_ones():
    texts = texts_to_arrow(["ä", "", "bc"])
    assert texts.equals(pa.array(["ä", "", "bc"], pa.large_string()))
    assert texts_to_arrow([]).type == pa.large_string()
    assert text_scalar("ä") == pa.scalar("ä", pa.large_string())
