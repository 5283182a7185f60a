from __future__ import annotations

import struct

import h5py
import numpy as np
import pytest

from curate.errors import StoreError
from curate.scores.score_file import ScoreFile
from curate.scores.strings import read_strings
from tests.scores.making import scored_image, write_scores

TEXTS = ["a", "", "bäume/ß", "x" * 5000, "", "seven77", "eight888", *map(str, range(300))]


def write(path, texts=TEXTS, **options):
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        node = file.create_dataset("t", (len(texts),), h5py.string_dtype(), **options)
        node[...] = texts
    return path


def read(path):
    with h5py.File(path) as file:
        return read_strings(file["t"]).to_pylist()


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "shuffle": True}])
def test_strings_come_back_as_the_library_reads_them(tmp_path, chunk, options):
    path = write(tmp_path / "f.h5", chunks=(min(chunk, len(TEXTS)),), **options)
    assert read(path) == TEXTS


def test_strings_at_odd_places_in_the_file_come_back(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        node = file.create_dataset("t", (40,), h5py.string_dtype(), chunks=(5,))
        for row in range(40):  # bytes of odd lengths between the collections
            node[row] = f"row {row}" + "y" * 3000
            file.create_dataset(f"x{row}", data=np.zeros(3 + row % 7, np.uint8))
    assert read(tmp_path / "f.h5")[3][:6] == "row 3y"
    assert read(tmp_path / "f.h5")[39][:7] == "row 39y"


def test_strings_that_were_never_written_are_empty(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        node = file.create_dataset("t", (9,), h5py.string_dtype(), chunks=(2,))
        node[4] = "x"
    assert read(tmp_path / "f.h5") == ["", "", "", "", "x", "", "", "", ""]


@pytest.mark.parametrize("options", [{}, {"chunks": (5,), "compression": "lzf"}])
def test_other_ways_of_storing_strings_are_refused(tmp_path, options):
    path = write(tmp_path / "f.h5", **options)
    with pytest.raises(StoreError, match=r"column '/t' is not stored as curate does"):
        read(path)


def test_strings_that_are_no_utf8_are_refused(tmp_path):
    path = write(tmp_path / "f.h5", ["abc"], chunks=(1,))
    path.write_bytes(path.read_bytes().replace(b"abc", b"\xff\xff\xff"))
    with pytest.raises(ValueError, match="UTF8"):
        read(path)


def heap(content):
    """Where the first collection is."""
    return content.index(b"GCOL\x01\0\0\0")


def patch(path, offset, new):
    content = bytearray(path.read_bytes())
    start = heap(content) + offset
    content[start : start + len(new)] = new
    path.write_bytes(content)


DAMAGES = {
    "no signature": (0, b"GCOX"),
    "collection without a size": (8, bytes(8)),
    "collection beyond the file": (8, struct.pack("<Q", 2**40)),
    "object beyond the collection": (24, struct.pack("<Q", 2**30)),
    "object of negative size": (24, struct.pack("<Q", 2**64 - 8)),
    "free space without a size": (16, struct.pack("<HHIQ", 0, 0, 0, 0)),
    "object of another number": (16, struct.pack("<H", 999)),
    "string longer than its object": (24, struct.pack("<Q", 1)),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_strings_are_refused_and_never_hang(tmp_path, kind):
    path = write(tmp_path / "f.h5", ["first", "second", "third"], chunks=(3,))
    patch(path, *DAMAGES[kind])
    with pytest.raises(StoreError, match=r"its strings at byte \d+ are damaged"):
        read(path)


def references(path, change):
    """Change the references of a column that is stored plain."""
    content = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        start = file["t"].id.get_chunk_info(0).byte_offset
    refs = np.frombuffer(content, [("length", "<u4"), ("address", "<u8"), ("index", "<u4")],
                         count=3, offset=start)  # fmt: skip
    change(refs)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "change",
    [
        lambda refs: refs["address"].__setitem__(1, 2**63),
        lambda refs: refs["address"].__setitem__(1, 2**40),
        lambda refs: refs["address"].__setitem__(1, 1),
        lambda refs: refs["index"].__setitem__(1, 77),
        lambda refs: refs["index"].__setitem__(1, 65_536 + 2),
        lambda refs: refs["length"].__setitem__(1, 2**32 - 1),
    ],
)
def test_references_that_lead_nowhere_are_refused(tmp_path, change):
    path = write(tmp_path / "f.h5", ["first", "second", "third"], chunks=(3,))
    assert read(path) == ["first", "second", "third"]
    references(path, change)
    with pytest.raises(StoreError, match=r"its strings at byte \d+ are damaged"):
        read(path)


def test_one_long_string_told_many_times_does_not_fill_memory(tmp_path):
    path = write(tmp_path / "f.h5", ["x" * 4000] * 3, chunks=(3,))
    references(path, lambda refs: refs.__setitem__(slice(None), refs[0]))
    assert read(path) == ["x" * 4000] * 3
    with h5py.File(path, "a") as file:
        refs = file["t"].id.read_direct_chunk((0,))[1][:16] * 1_000_000
        node = file.create_dataset("u", (10**6,), h5py.string_dtype(), chunks=(10**6,),
                                   compression="gzip")  # fmt: skip
        node.id.write_direct_chunk((0,), refs, filter_mask=1)
    with h5py.File(path) as file, pytest.raises(StoreError, match="its strings at byte"):
        read_strings(file["u"])


def test_damage_far_into_a_large_file_is_found(tmp_path):
    """The attributes are fine; only the strings of the table, behind 17 MB, are not."""
    path = write_scores(tmp_path / "w.h5", [scored_image("a")])
    with h5py.File(path, "a") as file:
        del file["images/id"]
        file.create_dataset("filler", data=np.zeros(17_000_000, np.uint8))
        node = file["images"].create_dataset("id", (1,), h5py.string_dtype(), chunks=(1,))
        node[0] = "a"
    assert ScoreFile(path).images["id"].tolist() == ["a"]
    content = bytearray(path.read_bytes())
    start = content.rindex(b"GCOL\x01\0\0\0")
    assert start > 1 << 24
    content[start + 16 : start + 32] = bytes(16)
    path.write_bytes(content)
    scores = ScoreFile(path)
    with pytest.raises(StoreError, match=f"its strings at byte {start} are damaged"):
        _ = scores.images


def test_damaged_strings_of_attributes_are_found_wherever_they_are(tmp_path):
    path = write_scores(tmp_path / "w.h5", [scored_image("a")])
    with h5py.File(path, "a") as file:
        text = file.attrs["provenance"]
        del file.attrs["provenance"]
        file.create_dataset("filler", data=np.zeros(17_000_000, np.uint8))
        file.attrs["provenance"] = text + " " * 5000  # a collection of its own
    assert ScoreFile(path).provenance["run"] == "r"
    content = bytearray(path.read_bytes())
    start = content.rindex(b"GCOL\x01\0\0\0")
    assert start > 1 << 24
    content[start + 16 : start + 32] = bytes(16)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=f"its strings at byte {start} are damaged"):
        ScoreFile(path)
