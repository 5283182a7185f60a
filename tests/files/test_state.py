from __future__ import annotations

import json
import os

import pytest

from curate.errors import StoreError, UsageError
from curate.files.state import STATE_NAME, latest_run, latest_scores, note, remember
from tests.scores.making import scored_image, write_scores
from tests.tiny import RecordingReporter


def test_newest_run_and_scores_are_remembered_apart(tmp_path):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "w.h5").touch()
    remember(tmp_path, run=tmp_path / "runs" / "a")
    remember(tmp_path, scores=[tmp_path / "w.h5"])
    assert latest_run(tmp_path) == tmp_path / "runs" / "a"
    assert latest_scores(tmp_path) == [tmp_path / "w.h5"]
    record = json.loads((tmp_path / ".curate.json").read_text())
    assert record == {"latest_run": "runs/a", "latest_scores": ["w.h5"]}


def test_paths_outside_stay_absolute_and_relative_ones_count_from_here(tmp_path, monkeypatch):
    root, outside = tmp_path / "root", tmp_path / "w.h5"
    root.mkdir()
    outside.touch()
    remember(root, scores=[outside])
    assert json.loads((root / ".curate.json").read_text())["latest_scores"] == [str(outside)]
    monkeypatch.chdir(root)
    (root / "r").mkdir()
    remember(root, run=root.__class__("r"))
    assert json.loads((root / ".curate.json").read_text())["latest_run"] == "r"


def test_nothing_remembered_names_the_command_and_the_flag(tmp_path):
    with pytest.raises(
        UsageError, match=r"Run 'curate fit' first; score and audit take another run by --run"
    ):
        latest_run(tmp_path)
    with pytest.raises(UsageError, match=r"Run 'curate score' first; or name one, .* --scores"):
        latest_scores(tmp_path)


def test_one_file_as_earlier_versions_wrote_it_is_read(tmp_path):
    (tmp_path / "w.h5").touch()
    (tmp_path / ".curate.json").write_text('{"latest_scores": "w.h5"}')
    assert latest_scores(tmp_path) == [tmp_path / "w.h5"]


def test_score_files_of_one_command_are_remembered_together(tmp_path):
    for name in ("w.a.h5", "w.b.h5"):
        (tmp_path / name).touch()
    remember(tmp_path, scores=[tmp_path / "w.a.h5", tmp_path / "w.b.h5"])
    assert latest_scores(tmp_path) == [tmp_path / "w.a.h5", tmp_path / "w.b.h5"]


def test_without_a_record_the_only_one_is_taken_and_of_two_none(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    runs = [tmp_path / "runs" / "a", tmp_path / "runs" / "b"]
    assert latest_run(tmp_path, lambda: runs[:1]) == runs[0]
    with pytest.raises(
        UsageError, match=r"2 runs and no record of which .*: runs/a, runs/b\. Name one with --run"
    ):
        latest_run(tmp_path, lambda: runs)
    remember(tmp_path, run=runs[1])
    assert latest_run(tmp_path, lambda: runs) == runs[1]


def test_what_is_gone_is_told(tmp_path):
    remember(tmp_path, run=tmp_path / "gone")
    with pytest.raises(UsageError, match=r"gone, is no longer there\. Run 'curate fit'"):
        latest_run(tmp_path)


def test_tables_alone_are_found_again(tmp_path):
    out = write_scores(tmp_path / "w.parquet", [scored_image("a")])
    remember(tmp_path, scores=[out])
    assert latest_scores(tmp_path) == [out]


@pytest.mark.parametrize("text", ["", "[]", '{"latest_run": 3}', '{"latest_run": "a', "[" * 99_999])
def test_damaged_record_is_told_and_written_anew(tmp_path, text):
    (tmp_path / ".curate.json").write_text(text)
    with pytest.raises(UsageError, match=r"\.curate\.json is damaged.*--run"):
        latest_run(tmp_path)
    (tmp_path / "r").mkdir()
    remember(tmp_path, run=tmp_path / "r")
    assert latest_run(tmp_path) == tmp_path / "r"


def test_record_is_never_written_through_a_link_nor_read_from_a_pipe(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / STATE_NAME).symlink_to(tmp_path / "victim")
    with pytest.raises(StoreError, match="is no ordinary file, and is not written through"):
        remember(tmp_path, run=tmp_path / "r")
    assert (tmp_path / "victim").read_text() == "precious"
    (tmp_path / STATE_NAME).unlink()
    os.mkfifo(tmp_path / STATE_NAME)
    with pytest.raises(StoreError, match=r"is no ordinary file\. Remove it"):
        latest_run(tmp_path)
    with pytest.raises(StoreError, match="no ordinary file"):
        remember(tmp_path, run=tmp_path / "r")


def test_finished_work_is_no_failure_where_nothing_can_be_noted(tmp_path):
    (tmp_path / STATE_NAME).mkdir()
    reporter = RecordingReporter()
    note(tmp_path, reporter, scores=[tmp_path / "w.h5"])
    (warning,) = reporter.warnings
    assert "w.h5 is finished, but later commands will not find it by themselves" in warning
    assert "name it with --scores" in warning


def test_half_a_character_in_the_record_is_no_crash(tmp_path):
    (tmp_path / STATE_NAME).write_text('{"latest_run": "\\ud800"}')
    with pytest.raises(UsageError, match="is damaged"):
        latest_run(tmp_path)
