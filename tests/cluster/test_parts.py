from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from curate.cluster import parts
from curate.errors import UsageError
from curate.job import Shard
from tests.tiny import RecordingReporter

COMMAND = ("curate", "score", "gta5/", "--out", "w.h5", "--shard=auto/3", "--stride", "8",
           "--resume", "--json")  # fmt: skip


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def make(number, count=3, content=b"scores"):
    """Make a finished part as `score` does."""
    path = parts.choose_path(Path("w.h5"), f"auto/{count}", Shard(number, count), COMMAND)
    path.write_bytes(content)
    parts.seal(path)
    return path


def test_parts_of_an_array_lie_in_a_folder_and_others_where_they_are_told():
    out = Path("w.h5")
    assert parts.choose_path(out, "2/3", Shard(2, 3)) == out
    assert parts.choose_path(out, "auto/1", Shard(1, 1)) == out
    assert not Path("w.h5.parts").exists()
    path = parts.choose_path(out, "auto/12345", Shard(12345, 12345))
    assert path == Path("w.h5.parts/part-12345-of-12345.h5")
    assert parts.part_of(path) == Shard(12345, 12345)


def test_other_tools_read_the_checksum():
    path = make(2)
    line = path.with_suffix(".sha256").read_text()
    assert line == f"{hashlib.sha256(b'scores').hexdigest()}  part-0002-of-0003.h5\n"
    command = ["sha256sum", "--check", "part-0002-of-0003.sha256"]
    assert subprocess.run(command, cwd=path.parent, check=False).returncode == 0


def test_files_that_are_no_parts_get_no_checksum(tmp_path):
    (tmp_path / "w.h5").write_bytes(b"scores")
    parts.seal(tmp_path / "w.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["w.h5"]


def test_missing_damaged_and_unfinished_parts_are_told_with_the_command_that_makes_them():
    make(1, 5)
    make(2, 5).write_bytes(b"sc0res")
    parts.unseal(make(3, 5))
    (Path("w.h5.parts") / "part-0004-of-0005.h5.pieces").mkdir()
    found = parts.survey(Path("w.h5.parts"), RecordingReporter())
    assert found.whole == (Path("w.h5.parts/part-0001-of-0005.h5"),)
    assert list(found.problems) == [2, 3, 4, 5]
    base = "    curate score gta5/ --stride 8 --out w.h5.parts/part-000"
    assert found.explain().splitlines() == [
        "w.h5.parts holds 1 of 5 parts, without 2-5:",
        "  2: damaged: not what was written",
        f"{base}2-of-0005.h5 --shard 2/5 --overwrite",
        "  3: unfinished",
        f"{base}3-of-0005.h5 --shard 3/5 --resume",
        "  4: unfinished",
        f"{base}4-of-0005.h5 --shard 4/5 --resume",
        "  5: missing",
        f"{base}5-of-0005.h5 --shard 5/5 --resume",
    ]


def test_elsewhere_the_command_says_where_it_is_to_be_called(tmp_path, monkeypatch):
    make(1)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    line = parts.survey(Path("../w.h5.parts")).line_of(3)
    assert line.startswith(f"cd {tmp_path} && curate score gta5/ --stride 8 --out {tmp_path}/")
    assert line.endswith("w.h5.parts/part-0003-of-0003.h5 --shard 3/3 --resume")


def test_without_a_record_the_command_still_names_the_part():
    make(1)
    Path("w.h5.parts/parts.json").write_text(json.dumps({"command": 3}))
    assert parts.survey(Path("w.h5.parts")).line_of(2) == (
        "curate score DATASET --out w.h5.parts/part-0002-of-0003.h5 --shard 2/3 --resume"
    )


def test_gaps_are_written_as_an_array_takes_them():
    for number in (2, 5):
        make(number, 9)
    assert "holds 2 of 9 parts, without 1,3-4,6-9:" in parts.survey(Path("w.h5.parts")).explain()


def test_of_many_missing_parts_the_first_are_listed():
    make(1, 1000)
    lines = parts.survey(Path("w.h5.parts")).explain().splitlines()
    assert lines[0].endswith("holds 1 of 1,000 parts, without 2-1000:")
    assert len(lines) == 2 * 20 + 2
    assert lines[-1] == "  .. and 979 more"


def test_parts_of_another_number_are_refused():
    make(1, 3)
    with pytest.raises(UsageError, match="holds parts of 3, and this is one of 4"):
        make(1, 4)
    with pytest.raises(UsageError, match="--shard 2/3: this is the name of another part"):
        parts.choose_path(Path("w.h5.parts/part-0001-of-0003.h5"), "2/3", Shard(2, 3))


def test_a_folder_without_parts_is_refused(tmp_path):
    assert not parts.is_folder_of_parts(tmp_path)
    (tmp_path / "w.h5.parts").mkdir()
    assert parts.is_folder_of_parts(tmp_path / "w.h5.parts")
    with pytest.raises(UsageError, match="holds no parts: name a folder"):
        parts.survey(tmp_path / "w.h5.parts")
