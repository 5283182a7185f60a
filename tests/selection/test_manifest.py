from __future__ import annotations

import csv
import io
import json

import pyarrow as pa

from curate.selection.manifest import is_subset, write_manifest, write_record


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


def test_record_marks_a_subset(tmp_path):
    assert not is_subset(tmp_path)
    write_record(tmp_path, {"a": 1})
    assert is_subset(tmp_path)
    assert json.loads((tmp_path / "subset.json").read_text()) == {
        "format": "curate-subset",
        "format_version": 1,
        "a": 1,
    }


def test_other_files_do_not_mark_a_subset(tmp_path):
    for text in ("", "[]", '{"format": "x"}', "[" * 99_999):
        (tmp_path / "subset.json").write_text(text)
        assert not is_subset(tmp_path)
