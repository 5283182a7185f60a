from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.data.shards.parquet_shards import ParquetShard
from curate.errors import DataError
from tests.data.shards.making import write_parquet

ROWS = [(b"i%d" % n, b"l%d" % n) for n in range(5)]


def test_images_of_every_row_are_members(tmp_path):
    shard = ParquetShard(write_parquet(tmp_path / "a.parquet", ROWS))
    names = list(shard.names())
    assert names[:3] == ["00000000.image.png", "00000000.label.png", "00000001.image.png"]
    assert [shard.read(name) for name in names] == [content for row in ROWS for content in row]
    assert shard.read("00000001.label.png") == b"l1"  # back to a group that was left
    assert shard.size("00000004.label.png") == (tmp_path / "a.parquet").stat().st_size


@pytest.mark.parametrize("name", ["00000005.image.png", "00000000.caption.png", "x.image.png",
                                  "00000000.image", "00000000.png"])  # fmt: skip
def test_what_is_no_image_of_a_row_is_missing(tmp_path, name):
    shard = ParquetShard(write_parquet(tmp_path / "a.parquet", ROWS))
    with pytest.raises(KeyError):
        shard.read(name)


def test_image_that_lies_elsewhere_is_told(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", [(None, b"label")])
    with pytest.raises(OSError, match="column 'image' of row 0 holds no image"):
        ParquetShard(path).read("00000000.image.png")


def test_tables_without_images_have_no_members(tmp_path):
    kind = pa.struct({"bytes": pa.int64()})
    table = pa.table({"x": [1], "image": pa.array([{"bytes": 1}], kind), "a b": [b"x"]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert list(ParquetShard(tmp_path / "a.parquet").names()) == []


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda data: data.replace(b"caption", b"\xffaption")]
)
def test_damaged_tables_are_refused(tmp_path, damage):
    path = write_parquet(tmp_path / "a.parquet", ROWS)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="it is no sound Parquet file"):
        ParquetShard(path)


def with_rows(path, count):
    """Let the only row group of a file of two rows say that it has others, in Thrift's integers."""
    data, number, value = path.read_bytes(), b"", 2 * count
    while value > 127:
        number, value = number + bytes([value % 128 + 128]), value // 128
    size = int.from_bytes(data[-8:-4], "little")
    before, _, after = data[-8 - size : -8].rpartition(b"\x16\x04")
    foot = before + b"\x16" + number + bytes([value]) + after
    path.write_bytes(data[: -8 - size] + foot + len(foot).to_bytes(4, "little") + b"PAR1")
    return path


def test_rows_that_are_only_said_to_be_there_are_missing(tmp_path):
    shard = ParquetShard(with_rows(write_parquet(tmp_path / "a.parquet", ROWS[:2]), 4))
    assert len(shard.read("00000001.image.png"))
    with pytest.raises(OSError, match="row 3 cannot be read"):
        shard.read("00000003.image.png")


def test_more_rows_than_a_file_has_bytes_are_refused(tmp_path):
    path = with_rows(write_parquet(tmp_path / "a.parquet", ROWS[:2]), 2**40)
    with pytest.raises(DataError, match=r"says that it has 1,099,511,627,776 rows"):
        ParquetShard(path)
