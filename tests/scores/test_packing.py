import h5py
import numpy as np
import pytest

from curate.errors import UsageError
from curate.scores.h5_write import MapGroup
from curate.scores.packing import COMPRESSIONS, check_compression, pack


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_packed_maps_are_unpacked_by_the_hdf5_library(tmp_path, compression, dtype):
    if not COMPRESSIONS[compression].is_builtin:
        pytest.importorskip("hdf5plugin")
    values = np.random.default_rng(0).integers(0, 250, (7, 5)).astype(dtype)
    values[0, 0] = np.iinfo(dtype).max
    with h5py.File(tmp_path / "a.h5", "w", libver=("v110", "v110")) as file:
        maps = MapGroup(file, "region_ids", stride=4)
        maps.write("a/b/1", pack(values, compression))
        maps.write("a/2", pack(values.T, compression))
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file["region_ids/a/b/1"][...], values)
        assert np.array_equal(file["region_ids/a/2"][...], values.T)
        assert file["region_ids/a/2"].dtype == dtype
        assert dict(file["region_ids/a/2"].attrs) == {"stride": 4}


def test_unknown_compression_is_refused():
    with pytest.raises(UsageError, match="use one of deflate, zstd"):
        check_compression("rar")


def test_compression_that_needs_a_plugin_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "hdf5plugin", None)
    check_compression("deflate")
    with pytest.raises(UsageError, match=r"pip install 'curate-seg\[hdf5plugin\]'"):
        check_compression("zstd")
