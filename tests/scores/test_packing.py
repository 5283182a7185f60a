from dataclasses import replace

import h5py
import numpy as np
import pytest

from curate.errors import UsageError
from curate.scores.h5_write import MapWriter
from curate.scores.packing import COMPRESSIONS, check_compression, pack, unpack


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(("group", "dtype"), [("pixel_scores", "uint8"), ("region_ids", "uint16")])
def test_packed_maps_are_unpacked_by_the_hdf5_library(tmp_path, compression, group, dtype):
    if not COMPRESSIONS[compression].is_builtin:
        pytest.importorskip("hdf5plugin")
    values = np.random.default_rng(0).integers(0, 250, (7, 5)).astype(dtype)
    values[0, 0] = np.iinfo(dtype).max
    with h5py.File(tmp_path / "a.h5", "w", libver=("v110", "v110")) as file:
        maps = MapWriter(file, group, {"7x5": 2, "5x7": 1}, stride=4, scale=None)
        maps.write(0, pack(values, compression))
        maps.write(1, pack(values[::-1], "deflate"))  # packed again, as the first one is
        maps.write(0, pack(values.T, compression))
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file[group]["7x5"][0], values)
        assert np.array_equal(file[group]["7x5"][1], values[::-1])
        assert np.array_equal(file[group]["5x7"][0], values.T)
        assert file[group]["5x7"].dtype == dtype
        assert dict(file[group]["5x7"].attrs) == {"stride": 4}
    assert np.array_equal(unpack(pack(values, compression)), values)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_bytes_that_are_no_map_of_the_shape_are_refused(compression):
    packed = pack(np.zeros((300, 300), np.uint8), compression)
    for shape in ((300, 299), (301, 300)):
        with pytest.raises((ValueError, OSError)):
            unpack(replace(packed, shape=shape))
    with pytest.raises((ValueError, OSError)):
        unpack(replace(packed, data=packed.data[:-6]))


def test_unknown_compression_is_refused():
    with pytest.raises(UsageError, match="use one of deflate, zstd"):
        check_compression("rar")


def test_compression_that_needs_a_plugin_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "hdf5plugin", None)
    check_compression("deflate")
    with pytest.raises(UsageError, match=r"pip install 'curate-seg\[hdf5plugin\]'"):
        check_compression("zstd")
