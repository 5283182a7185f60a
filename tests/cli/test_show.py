from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.errors import UsageError
from tests.cli.conftest import Result


@pytest.fixture
def calls(workflow):
    return workflow("showing.show", "show", Result(out=Path("a.png")))


def test_result_is_told(run, calls):
    assert run("show", "w.h5", "images/a", "-o", "a.png").stdout == "Picture: a.png\n"
    assert json.loads(run("show", "w.h5", "images/a", "-o", "a.png", "--json").stdout) == {
        "out": "a.png"
    }
    assert calls[0] == (
        (Path("w.h5"), "images/a"),
        {"out": Path("a.png"), "dataset": None, "overwrite": False},
    )


def test_picture_needs_a_name(run, calls):
    assert (run("show", "w.h5", "images/a").exit_code, calls) == (2, [])


def test_unknown_image_is_wrong_usage(run, workflow):
    workflow("showing.show", "show", UsageError("w.h5 knows no image 'x'."))
    done = run("show", "w.h5", "x", "-o", "a.png")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "knows no image 'x'" in done.stderr
