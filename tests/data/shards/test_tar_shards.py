from __future__ import annotations

import io
import tarfile

import pytest

from curate.data.shards.tar_shards import TarShard
from curate.errors import DataError
from tests.data.shards.making import write_tar


def test_members_are_found_by_offset(tmp_path):
    path = write_tar(tmp_path / "a.tar", {"x/1.png": b"one", "x/1.seg.png": b"", "2.png": b"two"})
    shard = TarShard(path)
    assert list(shard.names()) == ["x/1.png", "x/1.seg.png", "2.png"]
    assert [shard.read(name) for name in shard.names()] == [b"one", b"", b"two"]
    assert shard.size("x/1.png") == 3


def test_shards_of_the_real_writer_are_read(tmp_path):
    wds = pytest.importorskip("webdataset", reason="webdataset is not installed")
    samples = [{"__key__": f"{n:06d}", "png": b"i%d" % n, "seg.png": b"l"} for n in range(9)]
    with wds.ShardWriter(str(tmp_path / "%04d.tar"), maxcount=4, verbose=0) as writer:
        for sample in samples:
            writer.write(sample)
    shards = [TarShard(path) for path in sorted(tmp_path.glob("*.tar"))]
    names = [list(shard.names()) for shard in shards]
    assert [len(each) for each in names] == [8, 8, 2]
    assert names[0][:2] == ["000000.png", "000000.seg.png"]
    assert shards[2].read("000008.png") == b"i8"


def test_of_equal_names_the_last_counts(tmp_path):
    path = write_tar(tmp_path / "a.tar", {"./1.png": b"old"})
    write_tar(path, {"1.png": b"newer"}, mode="a")
    shard = TarShard(path)
    assert list(shard.names()) == ["1.png"]
    assert shard.read("1.png") == b"newer"


def test_hidden_members_links_and_ways_out_are_left_out(tmp_path):
    path = write_tar(tmp_path / "a.tar", {".hidden": b"", "../out.png": b"", "a/._1.png": b""})
    with tarfile.open(path, "a") as tar:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("/absolute.png"), io.BytesIO())
    assert list(TarShard(path).names()) == []


def test_long_and_foreign_names_are_kept(tmp_path):
    names = ["ä" * 60 + ".png", "/".join(["folder"] * 30) + "/1.png"]
    path = write_tar(tmp_path / "a.tar", dict.fromkeys(names, b"x"))
    assert list(TarShard(path).names()) == names


def test_tar_that_was_cut_off_while_open_is_told(tmp_path):
    path = write_tar(tmp_path / "a.tar", {"1.png": b"x" * 5000})
    shard = TarShard(path)
    with path.open("r+b") as file:
        file.truncate(2000)
    with pytest.raises(OSError, match="ends 3512 bytes too soon"):
        shard.read("1.png")


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100])
def test_what_is_no_tar_is_refused(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tar cannot be listed: it is no sound tar"):
        TarShard(tmp_path / "a.tar")
