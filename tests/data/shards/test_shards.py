"""Data sets in shards are listed, recognised and read like any other."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from curate.checking.examination import stamp_of
from curate.data import shards
from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.data.images import read_file
from curate.data.pairs import read_pair
from curate.dataset_config import DatasetConfig
from curate.errors import DataError
from tests.data.making import full
from tests.data.shards.making import IMAGE, LABEL, encode, write_mds, write_parquet, write_tar

CAMVID = resolve_classes("camvid11")


def draw_tar(root):
    return write_tar(root / "train/a-0001.tar", {"7.png": IMAGE, "7.seg.png": LABEL})


def draw_named_tar(root):
    return write_tar(root / "train/a-0001.tar", {"7.image.png": IMAGE, "7.mask.png": LABEL})


KINDS = {
    "webdataset": (draw_tar, "train/a-0001/7", "train"),
    "webdataset-image": (draw_named_tar, "train/a-0001/7", "train"),
    "parquet": (
        lambda root: write_parquet(root / "data/a-0001.parquet", [(IMAGE, LABEL)]),
        "data/a-0001/00000000",
        "",
    ),
    "mds": (lambda root: write_mds(root, [(IMAGE, LABEL)]), "shard.00000/00000000", ""),
}


@pytest.mark.parametrize("name", KINDS)
def test_shards_are_recognised_and_read_as_road(tmp_path, name):
    write, image_id, split = KINDS[name]
    write(tmp_path)
    source = open_dataset(tmp_path, classes=CAMVID)
    (pair,) = source.pairs
    assert (source.layout, pair.id, pair.status, pair.split) == (name, image_id, "ok", split)
    image, label_map = read_pair(source, pair)
    assert label_map.unique().tolist() == [3]
    assert image[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", KINDS)
def test_what_a_shard_holds_is_part_of_the_fingerprint(tmp_path, name):
    write, _, _ = KINDS[name]
    path = write(tmp_path)
    source = open_dataset(tmp_path, classes=CAMVID)
    before, stamp = source.fingerprint(), stamp_of(source, source.pairs[0])
    assert stamp.image_bytes == path.stat().st_size
    path.unlink()
    assert source.fingerprint() != before
    assert stamp_of(source, source.pairs[0]) != stamp


def test_members_are_chosen_by_patterns(tmp_path):
    members = {"a/7.rgb.png": IMAGE, "a/7.ids.png": LABEL, "a/7.depth.png": IMAGE}
    write_tar(tmp_path / "0001.tar", members)
    dataset = DatasetConfig(
        path=tmp_path, image="{shard}.tar/{key}.rgb.png", label="{shard}.tar/{key}.ids.png"
    )
    source = open_dataset(dataset, classes=CAMVID)
    assert [pair.id for pair in source.pairs] == ["0001/a/7"]
    assert read_pair(source, source.pairs[0]).label_map.unique().tolist() == [3]


def test_other_members_of_a_key_are_no_images(tmp_path):
    members = {"7.png": IMAGE, "7.seg.png": LABEL, "7.depth.png": IMAGE, "7.json": b"{}"}
    write_tar(tmp_path / "0001.tar", members | {"8.png": IMAGE})
    source = open_dataset(tmp_path, classes=CAMVID)
    found = [(pair.id, pair.status) for pair in source.pairs]
    assert found == [("0001/7", "ok"), ("0001/8", "missing_label")]


def test_shards_beside_a_data_set_of_files_are_left_alone(tmp_path):
    for folder, content in (("images", IMAGE), ("labels", LABEL)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes(content)
    (tmp_path / "download.tar").write_bytes(b"no tar")
    source = open_dataset(tmp_path, classes=CAMVID)
    assert (source.layout, len(source.pairs)) == ("folder", 1)


def test_damaged_shard_is_refused_before_the_work(tmp_path):
    write_tar(tmp_path / "0001.tar", {"7.png": IMAGE, "7.seg.png": LABEL})
    path = write_tar(tmp_path / "0002.tar", {"8.png": IMAGE, "8.seg.png": LABEL})
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DataError, match=r"0002\.tar cannot be listed: it is no sound tar"):
        open_dataset(tmp_path, classes=CAMVID)


def test_shard_that_changes_is_read_as_it_is_now(tmp_path):
    path = write_tar(tmp_path / "0001.tar", {"7.png": IMAGE})
    assert read_file(path / "7.png", "image") == IMAGE
    other = encode(full((9, 9, 9)))
    write_tar(path, {"0.txt": b"more", "7.png": other})
    assert read_file(path / "7.png", "image") == other
    path.write_bytes(b"no tar")
    with pytest.raises(DataError, match="no sound tar") as caught:
        read_file(path / "7.png", "image")
    assert caught.value.code == "unreadable_image"


@pytest.mark.parametrize("kind", ["image", "label"])
def test_missing_member_is_told(tmp_path, kind):
    path = write_tar(tmp_path / "0001.tar", {"7.png": IMAGE, "8.png": b""})
    with pytest.raises(DataError, match="does not exist") as caught:
        read_file(path / "9.png", kind)
    assert caught.value.code == f"missing_{kind}"
    with pytest.raises(DataError, match="it is empty"):
        read_file(path / "8.png", kind)


def test_folder_that_is_called_like_a_shard_is_a_folder(tmp_path):
    path = tmp_path / "x.tar/7.png"
    path.parent.mkdir()
    path.write_bytes(IMAGE)
    assert read_file(path, "image") == IMAGE
    assert shards.size_of(path) == len(IMAGE)
    assert shards.find(path) is None


def test_more_shards_than_may_be_open_are_read_by_many_threads(tmp_path):
    count = 3 * shards._MAX_OPEN
    for number in range(count):
        write_tar(tmp_path / f"{number}.tar", {"a.txt": b"%d" % number})
    paths = [tmp_path / f"{n % count}.tar" / "a.txt" for n in range(4 * count)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda path: bytes(read_file(path, "image")), paths))
    assert found == [b"%d" % (n % count) for n in range(4 * count)]


def test_forked_reader_opens_shards_for_itself(tmp_path):
    path = write_tar(tmp_path / "0.tar", {"a.txt": b"hello"}) / "a.txt"
    read_file(path, "image")
    with shards._cache.lock:  # as another thread would hold it at the time
        context = multiprocessing.get_context("fork")
        reader = context.Process(target=_exit_well_if_readable, args=(path,))
        reader.start()
    reader.join(20)
    assert reader.exitcode == 0


def _exit_well_if_readable(path):
    assert read_file(path, "image") == b"hello"


def test_a_hundred_frames_come_back_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    frames = {f"{n:03d}.png": encode(rng.integers(0, 255, (8, 9, 3), np.uint8)) for n in range(100)}
    path = write_tar(tmp_path / "0.tar", frames)
    assert {name: bytes(read_file(path / name, "image")) for name in frames} == frames
    shutil.move(path, tmp_path / "1.tar")
    assert shards.size_of(path / "000.png") == -1
    assert shards.size_of(Path(tmp_path / "1.tar/000.png")) == len(frames["000.png"])


@pytest.mark.parametrize("name", ["0.tar", "0.parquet", "0.mds"])
def test_pipe_in_place_of_a_shard_is_refused(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="no ordinary file"):
        shards.names(tmp_path / name)
