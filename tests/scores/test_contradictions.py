"""A provenance that contradicts the data beside it is never believed, nor is the data."""

from __future__ import annotations

import errno
import json
import subprocess
import sys

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import StoreError
from curate.scores.h5_read import open_h5
from curate.scores.merge import merge
from curate.scores.score_file import ScoreFile
from tests.scores.making import scored_image, write_scores


@pytest.fixture
def scores(tmp_path):
    return write_scores(tmp_path / "w.h5", [scored_image("a"), scored_image("b")])


def change(path, **values):
    with h5py.File(path, "r+") as file:
        text = json.dumps(json.loads(file.attrs["provenance"]) | values).encode()
        file.attrs.create("provenance", text, dtype=h5py.string_dtype("utf-8", len(text)))
    return path


@pytest.mark.parametrize("stride", [0, -1, 1, 3, 5, 10**9, 10**30, "x", None])
def test_stride_of_maps_must_be_that_of_the_provenance(scores, stride):
    with pytest.raises(StoreError, match="stride"):
        ScoreFile(change(scores, stride=stride)).pixel_scores("a")


@pytest.mark.parametrize("names", [[], ["a"], ["a"] * 3, ["a"] * 300])
def test_number_of_classes_must_be_that_of_the_columns(scores, tmp_path, names):
    change(scores, classes={"name": "custom", "names": names})
    with pytest.raises(StoreError, match=rf"of 2 classes, but the provenance names {len(names)}"):
        _ = ScoreFile(scores).class_px
    with pytest.raises(StoreError, match="classes, but the provenance names"):
        merge([scores], tmp_path / "m.h5")


def test_region_of_a_class_that_there_is_not_is_refused(scores):
    with h5py.File(scores, "r+") as file:
        file["regions/class_id"][1] = 2
    with pytest.raises(StoreError, match=r"a region shows class 2 of classes, .* names 2"):
        _ = ScoreFile(scores).regions


@pytest.mark.parametrize("rule", [{"largest": []}, {"largest": "x"}, {"largest": -1}])
def test_weight_rule_must_be_one(scores, rule):
    with pytest.raises(StoreError, match="largest"):
        ScoreFile(change(scores, weight_rule=rule))


def test_file_without_the_regions_that_it_claims_is_not_read_as_whole(scores, tmp_path):
    write_scores(tmp_path / "t.parquet", [scored_image("a")])
    (tmp_path / "t.regions.parquet").unlink()
    with h5py.File(scores, "r+") as file:
        del file["regions"]
    for path in (scores, tmp_path / "t.parquet"):
        with pytest.raises(StoreError, match="lacks its table of regions"):
            ScoreFile(path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, 524])
def test_disk_without_locks_is_read_all_the_same(scores, monkeypatch, number):
    opened = []

    def without_locks(path, mode, *, locking=None):
        opened.append(locking)
        if locking is None:
            raise OSError(number, "unable to lock file")
        return file

    file = h5py.File(scores, "r")
    monkeypatch.setattr("curate.scores.h5_read.h5py.File", without_locks)
    assert open_h5(scores) is file
    assert opened == [None, False]


def test_file_that_is_being_written_elsewhere_is_named(scores, monkeypatch):
    def busy(*_, **__):
        raise BlockingIOError(errno.EAGAIN, "unable to lock file")

    monkeypatch.setattr("curate.scores.h5_read.h5py.File", busy)
    with pytest.raises(StoreError, match="is open for writing in another program: close it"):
        ScoreFile(scores)


def test_tables_that_claim_more_than_their_file_can_hold_are_refused_unread(scores):
    with h5py.File(scores, "r+") as file:
        file["pad"] = np.frombuffer(np.random.default_rng(0).bytes(2_000_000), np.uint8)
        for name in list(file["regions"]):
            kind = file["regions"][name].dtype
            del file["regions"][name]
            file["regions"].create_dataset(
                name, (60_000_000,), kind, chunks=(65_536,), compression="gzip"
            )
    with pytest.raises(StoreError, match="bytes of tables, which a file of 2,"):
        _ = ScoreFile(scores).regions


def test_lists_of_a_table_count_by_their_length(tmp_path):
    write_scores(tmp_path / "t.parquet", [scored_image(f"{n:04d}") for n in range(8)])
    path = tmp_path / "t.images.parquet"
    table = pq.read_table(path)
    wide = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(8 * 3_000_000, "f4")), 3_000_000)
    row = table.schema.get_field_index("class_score")
    pq.write_table(table.set_column(row, "class_score", wide), path, compression="zstd")
    with pytest.raises(StoreError, match="bytes of tables, which a file of"):
        _ = ScoreFile(tmp_path / "t.parquet").class_score


def test_chunk_of_a_gigabyte_is_refused(scores):
    with h5py.File(scores, "r+") as file:
        at = dict(file["pixel_scores/2x2"].attrs)
        del file["pixel_scores/2x2"]
        options = {"maxshape": (None,) * 3, "chunks": (1, 40_000, 40_000), "compression": "gzip"}
        file.create_dataset("pixel_scores/2x2", (2, 2, 2), "u1", **options).attrs.update(at)
    with pytest.raises(StoreError, match=r"each of which is unpacked as a whole|cannot hold"):
        ScoreFile(scores).pixel_scores("a")


@pytest.mark.parametrize("name", ["score", "status"])
def test_damaged_description_of_a_column_does_not_end_the_process(tmp_path, name):
    write_scores(tmp_path / "w.parquet", [scored_image("a"), scored_image("b")])
    path = tmp_path / "w.images.parquet"
    word = bytes([0x18, len(name)]) + name.encode()
    content = path.read_bytes()
    assert content.count(b"\x25\x02" + word) == 1  # may be missing
    path.write_bytes(content.replace(b"\x25\x02" + word, b"\x25\x00" + word))
    program = "import sys; from curate import ScoreFile; print(len(ScoreFile(sys.argv[1]).images))"
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "w.parquet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "StoreError" in done.stderr
    assert "w.images.parquet cannot be read" in done.stderr
