from dataclasses import replace

import h5py
import numpy as np
import pytest

from curate.errors import StoreError
from curate.scores.chunks import locate, read_chunk
from curate.scores.packing import pack
from curate.scores.score_file import ScoreFile
from tests.scores.making import scored_image, write_scores


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_chunk_holds_what_the_hdf5_library_reads(tmp_path, dtype, shuffle):
    values = np.random.default_rng(0).integers(0, 250, (7, 5)).astype(dtype)
    values[2, 3] = np.iinfo(dtype).max
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=values, chunks=(7, 5), compression="gzip", shuffle=shuffle)
    with h5py.File(tmp_path / "a.h5") as file:
        chunk = locate(file["a"].id)
        cells = read_chunk(file.id.get_vfd_handle(), chunk)
    assert cells.dtype == dtype
    assert np.array_equal(cells, values)
    cells[0, 0] = 1  # the caller's own


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (2, 2), "compression": "gzip"},
        {"chunks": (4, 4), "compression": "lzf"},
        {"chunks": (4, 4), "compression": "gzip", "fletcher32": True},
    ],
    ids=["contiguous", "many chunks", "lzf", "checksum"],
)
def test_maps_stored_in_another_way_are_left_to_the_library(tmp_path, options):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=np.ones((4, 4), np.uint8), **options)
    with h5py.File(tmp_path / "a.h5") as file:
        assert locate(file["a"].id) is None


def test_second_reading_gives_the_same_as_the_first(tmp_path):
    rng = np.random.default_rng(0)
    images = [
        replace(scored_image(name, size=(40, 60)), pixel_scores=pack(cells))
        for name, cells in zip("abc", rng.integers(0, 256, (3, 20, 30), np.uint8), strict=True)
    ]
    scores = ScoreFile(write_scores(tmp_path / "w.h5", images))
    for read in (scores.pixel_scores, scores.region_ids, scores.score_map):
        first = [read(name) for name in "abc"]
        second = [read(name) for name in "cba"][::-1]
        assert len({values.tobytes() for values in first}) == (
            1 if read == scores.region_ids else 3
        )
        for one, other in zip(first, second, strict=True):
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)
    assert len(scores._known_maps) == 6


def test_file_that_was_overwritten_in_place_is_an_error_not_noise(tmp_path):
    path = write_scores(tmp_path / "w.h5", [scored_image("a", size=(200, 200))])
    scores = ScoreFile(path)
    scores.pixel_scores("a")
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.write(b"\0" * len(content))
    with pytest.raises(StoreError, match=r"w\.h5 cannot be read"):
        scores.pixel_scores("a")
