"""Data sets at URLs, in fsspec's memory, give what the same files on a disk give."""

import tarfile

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.data import shards
from curate.data.dataset import open_dataset
from curate.data.pairs import read_pair
from curate.data.shards import tar_shards
from curate.dataset_config import DatasetConfig
from curate.errors import DataError
from curate.records import ClassSet
from curate.remote.paths import as_path
from curate.scores.score_file import ScoreFile
from curate.scoring.score import score
from tests.remote.making import memory as memory
from tests.remote.making import upload
from tests.tiny import CLASSES, write_dataset

CLASS_SET = ClassSet("own", CLASSES)


def score_both(run, local, remote, folder, **options):
    """Score a data set and its remote copy; return both tables of images, and both files."""
    config, _ = run
    outs = folder / "local.h5", folder / "remote.h5"
    for root, out in zip((local, remote), outs, strict=True):
        score(root, out, config=config, **options)
    return [ScoreFile(out).images.drop(columns="message") for out in outs], outs


def same_maps(one, other):
    with h5py.File(one) as left, h5py.File(other) as right:
        names = [
            f"{group}/{size}" for group in ("pixel_scores", "region_ids") for size in left[group]
        ]
        return bool(names) and all(np.array_equal(left[name], right[name]) for name in names)


def test_set_at_a_url_scores_as_on_the_disk(finished_run, memory, tmp_path):
    local = write_dataset(tmp_path / "pool", 11, is_flat=True, seed=3)
    (local / "images/001.png").write_bytes(b"")
    (local / "labels/002.png").unlink()
    remote = upload(local, "memory://bucket/pool")
    (left, right), outs = score_both(finished_run, local, remote, tmp_path)
    assert right["status"].tolist()[:4] == ["ok", "unreadable_image", "missing_label", "ok"]
    assert left.equals(right)
    assert same_maps(*outs)
    assert ScoreFile(outs[1]).dataset_root == as_path("memory://bucket/pool")


def pack(files, folder):
    """Put a folder's images and labels into two tars."""
    folder.mkdir()
    images = sorted((files / "images").iterdir())
    for number, inside in enumerate((images[:4], images[4:])):
        with tarfile.open(folder / f"shard-{number:03d}.tar", "w") as tar:
            for image in inside:
                tar.add(image, image.name)
                tar.add(files / "labels" / image.name, f"{image.stem}.label.png")
    return folder


@pytest.fixture
def packed(tmp_path, memory, monkeypatch):
    """Two tars on the disk and at a URL, with another one beside them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = write_dataset(tmp_path / "files", 9, is_flat=True, seed=3)
    local = pack(files, tmp_path / "tars")
    (local / "other.tar").write_bytes((local / "shard-000.tar").read_bytes())
    return local, upload(local, "memory://bucket/tars")


def test_tars_at_a_url_score_as_on_the_disk(finished_run, packed, tmp_path):
    (left, right), outs = score_both(finished_run, *packed, tmp_path)
    assert len(left) == 13
    assert left.equals(right)
    assert same_maps(*outs)


@pytest.mark.parametrize(
    "name", ["shard-{000..001}.tar", "shard-*.tar", "shard-00?.tar", "shard-{000,001}.tar"]
)
def test_pattern_of_tars_takes_those_only(packed, name):
    for root in packed:
        source = open_dataset(DatasetConfig(path=root / name), classes=CLASS_SET)
        assert len(source.pairs) == 9
        assert source.root == root
        assert source.name == "tars"


def test_one_tar_is_a_data_set(packed):
    for root in packed:
        source = open_dataset(DatasetConfig(path=root / "shard-001.tar"), classes=CLASS_SET)
        assert [pair.id for pair in source.pairs] == [f"shard-001/{i:03d}" for i in range(4, 9)]
        assert read_pair(source, source.pairs[0]).label_map.shape == (40, 56)


def test_members_of_a_remote_tar_are_looked_up_once_a_version(packed, monkeypatch):
    _, root = packed
    config = DatasetConfig(path=root / "shard-*.tar")
    opened = open_dataset(config, classes=CLASS_SET)
    monkeypatch.setattr(tar_shards, "_read_places", None)  # would fail
    monkeypatch.setattr(shards._cache, "shards", {})
    assert open_dataset(config, classes=CLASS_SET).pairs == opened.pairs


def test_parquet_at_a_url_reads_as_on_the_disk(finished_run, memory, tmp_path):
    files = write_dataset(tmp_path / "files", 5, is_flat=True, seed=3)
    rows = {
        name: [{"bytes": path.read_bytes(), "path": path.name} for path in sorted(folder.iterdir())]
        for name, folder in (("image", files / "images"), ("label", files / "labels"))
    }
    local = tmp_path / "parquet"
    local.mkdir()
    pq.write_table(pa.table(rows), local / "train.parquet", row_group_size=2)
    remote = upload(local, "memory://bucket/parquet")
    (left, right), _ = score_both(finished_run, local, remote, tmp_path)
    assert len(left) == 5
    assert left.equals(right)


def test_url_without_anything_is_an_error_that_says_so(memory):
    with pytest.raises(DataError, match="memory://bucket/none holds nothing, or does not exist"):
        open_dataset(as_path("memory://bucket/none"), classes=CLASS_SET)
