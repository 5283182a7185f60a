from __future__ import annotations

import shutil

import h5py
import pandas as pd
import pytest

from curate.errors import UsageError
from curate.files.state import remember
from curate.scores.guard import choose_scores, find_scores
from curate.scores.merge import merge
from tests.scores.making import open_writer, scored_image, write_scores


@pytest.fixture
def source(tmp_path):
    return write_scores(tmp_path / "source.h5", [scored_image("a")])


def put_h5(path):
    with h5py.File(path, "w") as file:
        file["x"] = [1]


def put_parquet(path):
    pd.DataFrame({"x": [1]}).to_parquet(path)


def put_text(path):
    path.write_text("precious")


def tree(folder):
    """Content of all files, and where links lead to."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


FOREIGN = {
    "own h5": ("w.h5", "w.h5", put_h5),
    "own text": ("w.h5", "w.h5", put_text),
    "table beside h5": ("w.h5", "w.images.parquet", put_parquet),
    "other table beside h5": ("w.h5", "w.regions.parquet", put_text),
    "table": ("w.parquet", "w.images.parquet", put_parquet),
    "other table": ("w.parquet", "w.regions.parquet", put_parquet),
    "h5 in folder": ("w", "w/features.h5", put_h5),
    "parquet in folder": ("w", "w/thesis.parquet", put_parquet),
    "text in folder": ("w", "w/notes.txt", put_text),
    "named like a shard": ("w", "w/part-00001.h5", put_h5),
    "file in the place of a folder": ("w", "w", put_text),
    "folder in folder": ("w", "w/part-00001.h5/x", put_text),
    "notes among pieces": ("w.h5", "w.h5.pieces/notes.txt", put_text),
    "strange piece": ("w.h5", "w.h5.pieces/piece-old.h5", put_h5),
    "file in the place of pieces": ("w.h5", "w.h5.pieces", put_text),
}


@pytest.mark.parametrize("flag", ["overwrite", "resume", None])
@pytest.mark.parametrize("case", FOREIGN)
def test_what_is_not_curates_is_never_replaced_nor_removed(tmp_path, case, flag):
    out, name, put = FOREIGN[case]
    (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
    put(tmp_path / name)
    before = tree(tmp_path)
    with pytest.raises(UsageError, match=r"not replaced\. Remove it yourself|exists already|holds"):
        open_writer(tmp_path / out, **({flag: True} if flag else {}))
    assert tree(tmp_path) == before


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("case", [name for name in FOREIGN if "piece" not in name])
def test_merging_replaces_nothing_but_scores(tmp_path, source, case, overwrite):
    out, name, put = FOREIGN[case]
    (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
    put(tmp_path / name)
    before = tree(tmp_path)
    with pytest.raises(UsageError):
        merge([source], tmp_path / out, overwrite=overwrite)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("out", ["w.h5", "w.parquet", "w"])
def test_tables_of_scores_need_overwrite_like_the_file_itself(tmp_path, source, out):
    write_scores(tmp_path / out, [scored_image("b")])
    if out == "w.h5":
        (tmp_path / out).unlink()
    with pytest.raises(UsageError, match="exists already"):
        merge([source], tmp_path / out)
    assert merge([source], tmp_path / out, overwrite=True).images == 1


def test_links_among_pieces_lead_nowhere(tmp_path):
    (tmp_path / "w.h5.pieces").mkdir()
    (tmp_path / "w.h5.pieces" / "lock").symlink_to(tmp_path / "victim")
    for flag in ("overwrite", "resume"):
        with pytest.raises(UsageError, match="holds 'lock'"):
            open_writer(tmp_path / "w.h5", **{flag: True})
    assert not (tmp_path / "victim").exists()


def test_pieces_of_a_killed_process_are_curates_own(tmp_path):
    with open_writer(tmp_path / "w.h5") as writer:
        writer.append([scored_image("a")])
    left = tmp_path / "w.h5.pieces" / ".piece-00000002-0000.h5.partial-1-00000000-00000000"
    left.write_bytes(b"half")
    with open_writer(tmp_path / "w.h5", resume=True) as writer:
        assert writer.done == {"a"}
    shutil.rmtree(tmp_path / "w.h5.pieces")


def test_score_files_are_known_by_their_content(tmp_path):
    write_scores(tmp_path / "one.h5", [scored_image("a")])
    write_scores(tmp_path / "tables.parquet", [scored_image("a")])
    write_scores(tmp_path / "shards", [scored_image("a")])
    (tmp_path / "text.h5").write_text("no HDF5 file")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["format"] = "something else"
    found = find_scores(tmp_path)
    assert [path.name for path in found] == ["one.h5", "shards", "tables.parquet"]


def test_named_ones_come_before_the_newest_and_that_before_the_only_one(tmp_path):
    one = write_scores(tmp_path / "one.h5", [scored_image("a")])
    assert choose_scores([], tmp_path) == [one]
    two = write_scores(tmp_path / "two.h5", [scored_image("a")])
    with pytest.raises(UsageError, match=r"one\.h5, two\.h5\. Name one with --scores"):
        choose_scores([], tmp_path)
    remember(tmp_path, scores=[two])
    assert choose_scores([], tmp_path) == [two]
    assert choose_scores([one], tmp_path) == [one]
