from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.cluster.ray_cluster import Cluster
from curate.comparing import curves
from tests.cli.conftest import Result


class Found(Result):
    def table(self):
        return ["mIoU on the test images (95% intervals)", "  joint  0.500"]

    def to_json(self):
        return {"arms": [], "differences": []}


DONE = Found(out=Path("cmp"), said=("Nothing is shown to be better than real.",), seconds=61.0)
PLAIN = {
    "seeds": 2, "num_real": None, "draws": 1, "out": Path("cmp"), "workers": None,
    "ray": None, "resume": False, "overwrite": False,
}  # fmt: skip


@pytest.fixture
def calls(workflow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return workflow("comparing.compare", "compare", DONE)


def options_of(calls):
    ((_, options),) = calls
    del options["reporter"]
    return options


def test_result_is_told_to_people(run, calls):
    assert run("compare", "--out", "cmp").stdout.splitlines() == [
        "mIoU on the test images (95% intervals)",
        "  joint  0.500",
        "Nothing is shown to be better than real.",
        "Done in 1:01; tables and plots: cmp",
        "Next: curate report  # what the scores look like",
    ]


def test_result_is_told_to_programs(run, calls):
    done = run("compare", "--out", "cmp", "--json")
    assert json.loads(done.stdout) == {"arms": [], "differences": []}


def test_arms_and_references_are_left_to_the_library_unless_named(run, calls):
    run("compare", "--out", "cmp")
    assert options_of(calls) == PLAIN


def test_flags_are_passed_on(run, calls):
    run("compare", "--out", "cmp", "--arms", "real, default:top30:region", "--reference", "joint",
        "--reference", "constant", "--num-real", 5, "--draws", 3, "--workers", 1, "--resume",
        "--seeds", 4, "--ray", "--ray-cpus", 2)  # fmt: skip
    assert options_of(calls) == PLAIN | {
        "arms": ("real", "default:top30:region"), "references": ["joint", "constant"],
        "num_real": 5, "draws": 3, "workers": 1, "resume": True, "seeds": 4,
        "ray": Cluster(cpus=2),
    }  # fmt: skip


def test_a_curve_is_compared_along(run, tmp_path, monkeypatch):
    seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "compare_along", lambda *a, **o: seen.append((a, o)) or DONE)
    assert run("compare", "--out", "cmp", "--curve", "steps=250,750").exit_code == 0
    ((_, curve), options) = seen[0]
    assert curve == curves.Curve("steps", (250, 750))
    del options["reporter"]
    assert options == PLAIN


def test_what_is_no_curve_is_wrong_usage(run, calls):
    done = run("compare", "--out", "cmp", "--curve", "stpes=1,2")
    assert done.exit_code == 2
    assert "Did you mean 'steps'" in done.stderr
