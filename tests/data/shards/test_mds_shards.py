from __future__ import annotations

import json

import pytest

from curate.data.shards.mds_shards import MdsShard
from curate.errors import DataError
from tests.data.shards.making import write_mds

ROWS = [(b"i%d" % n, b"label %d" % n) for n in range(3)]


def test_images_of_every_sample_are_members(tmp_path):
    shard = MdsShard(write_mds(tmp_path, ROWS))
    names = list(shard.names())
    assert names[:2] == ["00000000.image.png", "00000000.label.png"]
    assert [shard.read(name) for name in names] == [content for row in ROWS for content in row]
    assert shard.size("00000002.label.png") == 7


def test_shards_of_the_real_writer_are_read(tmp_path):
    streaming = pytest.importorskip("streaming", reason="mosaicml-streaming is not installed")
    columns = {"image": "bytes", "n": "int", "label": "png", "name": "str"}
    from PIL import Image

    with streaming.MDSWriter(out=str(tmp_path), columns=columns, size_limit=2000) as writer:
        for number in range(20):
            picture = Image.new("L", (8, 8), number)
            writer.write({"image": b"%d" % number, "n": number, "label": picture, "name": "x"})
    paths = sorted(tmp_path.glob("*.mds"))
    assert len(paths) > 1
    found = [shard.read(name) for path in paths for shard in [MdsShard(path)]
             for name in shard.names() if ".image." in name]  # fmt: skip
    assert found == [b"%d" % number for number in range(20)]
    label = MdsShard(paths[0]).read("00000000.label.png")
    assert label.startswith(b"\x89PNG")


def test_missing_samples_and_columns_are_told(tmp_path):
    shard = MdsShard(write_mds(tmp_path, ROWS))
    for name in ("00000003.image.png", "00000000.depth.png", "x.image.png"):
        with pytest.raises(KeyError):
            shard.read(name)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (2, "ends 2 bytes too soon"),
        (9, "says that it has 3 samples"),
        (40, "ends before its samples do"),
    ],
)
def test_shard_that_is_cut_off_is_refused(tmp_path, size, message):
    path = write_mds(tmp_path, ROWS)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=message):
        MdsShard(path)


@pytest.mark.parametrize("index", ["", "{}", json.dumps({"shards": []})])
def test_shard_without_its_index_is_refused(tmp_path, index):
    path = write_mds(tmp_path, ROWS)
    (tmp_path / "index.json").write_text(index)
    with pytest.raises(DataError, match="is no sound MDS shard"):
        MdsShard(path)
