from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.errors import UsageError
from curate.files import state
from tests.cli.conftest import Result


@pytest.fixture
def calls(workflow):
    return workflow("showing.show", "show", Result(out=Path("a.png")))


def test_result_is_told(run, calls):
    assert run("show", "w.h5", "images/a", "-o", "a.png").stdout.splitlines() == [
        "Picture: a.png",
        "Next: curate report  # shows all images",
    ]
    assert json.loads(run("show", "v.h5", "w.h5", "images/a", "--json").stdout) == {"out": "a.png"}
    assert [call[0] for call in calls] == [
        ([Path("w.h5")], "images/a"),
        ([Path("v.h5"), Path("w.h5")], "images/a"),
    ]
    assert [call[1]["out"] for call in calls] == [Path("a.png"), None]


def test_newest_score_file_is_taken_by_default(run, calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.h5").touch()
    state.remember(tmp_path, scores=[tmp_path / "w.h5"])
    assert run("show", "images/a").exit_code == 0
    assert calls[0][0] == ([tmp_path / "w.h5"], "images/a")


def test_unknown_image_is_wrong_usage(run, workflow):
    workflow("showing.show", "show", UsageError("w.h5 knows no image 'x'."))
    done = run("show", "w.h5", "x", "-o", "a.png")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "knows no image 'x'" in done.stderr
