from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.errors import StoreError
from tests.cli.conftest import Result

DONE = Result(
    out=Path("w.h5"), parts=2, images=9, scored=8, failed=1, missing=0, regions=30, seconds=1.5
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_are_passed_on_and_the_result_is_told(run, workflow, here):
    calls = workflow("scores.merge", "merge", DONE)
    done = run("merge", "a.h5", "b.h5", "--out", "w.h5", "--overwrite", "--partial", "--resume")
    assert done.stdout.splitlines() == [
        "Scores: w.h5",
        "8 images of 2 parts, 1 failed, 30 regions in 2 s",
        "Next: curate export-subset --top 30%",
    ]
    args, options = calls[0]
    assert args == ([Path("a.h5"), Path("b.h5")], Path("w.h5"))
    assert options["root"] == here
    assert (options["overwrite"], options["partial"], options["resume"]) == (True, True, True)


def test_result_is_told_to_programs(run, workflow, here):
    workflow("scores.merge", "merge", DONE)
    done = run("merge", "a.h5", "--out", "w.h5", "--json")
    assert json.loads(done.stdout) == DONE.to_json() | {"out": "w.h5"}


def test_unfit_files_end_with_1(run, workflow, here):
    workflow("scores.merge", "merge", StoreError("b.h5 comes from other settings."))
    done = run("merge", "a.h5", "b.h5", "--out", "w.h5")
    assert (done.exit_code, done.stderr) == (1, "error: b.h5 comes from other settings.\n")
