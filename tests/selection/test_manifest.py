from __future__ import annotations

import csv
import io
import json
import time

import pyarrow as pa
import pytest

from curate.selection.manifest import find_foreign, write_manifest, write_record


def test_manifest_is_plain_csv(tmp_path):
    table = {
        "id": ["a,b", "ü"],
        "selected": [True, False],
        "score": [0.5, None],
        "rank": [1, None],
        "kept_px": [2, 0],
        "image_path": ["x", 'say "x"'],
        "label_path": ["y", "two\nlines"],
    }
    write_manifest(tmp_path, pa.table(table))
    text = (tmp_path / "manifest.csv").read_text(encoding="utf-8")
    assert text == (
        "id,selected,score,rank,kept_px,image_path,label_path\n"
        '"a,b",True,0.5,1,2,x,y\n'
        'ü,False,,,0,"say ""x""","two\nlines"\n'
    )
    assert list(csv.reader(io.StringIO(text)))[2][-2:] == ['say "x"', "two\nlines"]


def test_manifest_is_written_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr("curate.selection.manifest._BLOCK_ROWS", 3)
    write_manifest(tmp_path, pa.table({name: list(range(8)) for name in "abc"}))
    lines = (tmp_path / "manifest.csv").read_text().splitlines()
    assert lines == ["a,b,c", *(f"{row},{row},{row}" for row in range(8))]


def test_record_marks_a_subset_by_what_is_in_it(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.png").touch()
    assert find_foreign(tmp_path) == "is no subset of curate"
    write_record(tmp_path, {"a": 1})
    assert find_foreign(tmp_path) == ""
    told = json.loads((tmp_path / "subset.json").read_text())
    assert told.items() >= {"format": "curate-subset", "format_version": 1, "a": 1}.items()
    assert told["files"] == 1


@pytest.mark.parametrize("name", ["notes.txt", "labels/mine.png", "new/deep/x", "a_link"])
def test_file_that_was_added_to_a_subset_is_named(tmp_path, name):
    (tmp_path / "labels").mkdir()
    write_record(tmp_path, {})
    time.sleep(0.01)  # the clock of a file system is coarse
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).symlink_to("/") if name == "a_link" else (tmp_path / name).touch()
    assert find_foreign(tmp_path).endswith(f"added or removed, {name!r} for one")


def test_cache_of_a_trainer_goes_with_the_subset_and_nothing_else(tmp_path):
    (tmp_path / "masks/train/city").mkdir(parents=True)
    (tmp_path / "masks/train/a.png").touch()
    write_record(tmp_path, {})
    (tmp_path / "masks/train/city.cache").touch()
    (tmp_path / "masks/train.cache").write_bytes(b"made by Ultralytics")
    assert find_foreign(tmp_path) == ""
    for name in ("masks/val.cache", "masks/train/town.cache", "city.cache", "masks/train/city.txt"):
        (tmp_path / name).touch()
        assert f"{name!r} for one" in find_foreign(tmp_path)
        (tmp_path / name).unlink()
    (tmp_path / "masks/train.cache").unlink()
    (tmp_path / "masks/train.cache").symlink_to("train/a.png")
    assert "'masks/train.cache' for one" in find_foreign(tmp_path)
    (tmp_path / "masks/train.cache").unlink()
    (tmp_path / "masks/train.cache").mkdir()
    (tmp_path / "masks/train.cache/mine").touch()
    assert "'masks/train.cache/mine' for one" in find_foreign(tmp_path)


def test_file_that_was_exchanged_for_another_is_seen(tmp_path):
    (tmp_path / "a").touch()
    write_record(tmp_path, {})
    (tmp_path / "a").rename(tmp_path / "b")
    assert "holds 1 files beside subset.json, not the 1 that" in find_foreign(tmp_path)


def test_other_files_do_not_mark_a_subset(tmp_path):
    for text in ("", "[]", '{"format": "x"}', "[" * 99_999):
        (tmp_path / "subset.json").write_text(text)
        assert find_foreign(tmp_path) == "is no subset of curate"
