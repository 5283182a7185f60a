from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.errors import StoreError
from curate.files.state import remember
from tests.cli.conftest import Result

DONE = Result(out=Path("report.html"), images=479, bytes=3_210_000, seconds=12.3)


@pytest.fixture
def calls(workflow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return workflow("showing.report", "report", DONE)


def test_result_is_told_to_people(run, calls):
    assert run("report", "a.h5").stdout.splitlines() == [
        "Report: report.html",
        "479 images in 3.2 MB, 12 s. Open it in a browser.",
        "Next: curate export-subset --scores a.h5 --top 30%",
    ]


def test_result_is_told_to_programs(run, calls):
    done = run("report", "a.h5", "--json")
    assert json.loads(done.stdout) == DONE.to_json() | {"out": "report.html"}


def test_options_are_passed_on(run, calls, tmp_path):
    run("report", "a.h5", "b.h5", "--out", "x.html", "--overwrite", "--dataset", "d")
    (args, options) = calls[0]
    assert args == ([Path("a.h5"), Path("b.h5")],)
    del options["reporter"]
    assert options == {
        "out": Path("x.html"),
        "project": tmp_path,
        "dataset": Path("d"),
        "overwrite": True,
        "resume": False,
    }


def test_newest_scores_are_the_default(run, calls, tmp_path):
    (tmp_path / "weights.h5").write_text("")
    remember(tmp_path, scores=[tmp_path / "weights.h5"])
    run("report")
    assert calls[0][0] == ([tmp_path / "weights.h5"],)


def test_nothing_known_is_wrong_usage(run, calls):
    done = run("report")
    assert (done.exit_code, calls) == (2, [])
    assert "no score file is known" in done.stderr


def test_errors_end_with_1(run, workflow):
    workflow("showing.report", "report", StoreError("a.h5 is cut off."))
    done = run("report", "a.h5")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "a.h5 is cut off." in done.stderr
