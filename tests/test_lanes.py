"""Lanes that need more than a laptop are off unless asked for, and the run says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = """
import pytest

def test_plain():
    pass

@pytest.mark.fuzz
def test_fuzz():
    pass

@pytest.mark.fuzz
@pytest.mark.slow
def test_long_fuzz():
    pass

@pytest.mark.s3
def test_s3():
    pass
"""
SAYS_FUZZ = "lane fuzz was off (2 tests); run it with: pytest -m fuzz"
SAYS_S3 = "lane s3 was off (1 test); run it with: pytest -m s3"


@pytest.fixture
def run(tmp_path):
    """Run pytest with these lanes over four small tests: which passed, and what it said last."""
    (tmp_path / "test_lanes_of_four.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")

    def call(*options):
        command = [sys.executable, "-m", "pytest", "-v", "-p", "tests.lanes"]
        command += ["-p", "no:cacheprovider", f"--rootdir={tmp_path}", *options, str(tmp_path)]
        environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        lines = done.stdout.splitlines()
        passed = {line.split("::")[1].split()[0] for line in lines if " PASSED" in line}
        return passed, done.stdout

    return call


def test_lanes_on_request_are_off_by_default_and_the_run_says_so(run):
    passed, said = run()
    assert passed == {"test_plain"}
    assert SAYS_FUZZ in said
    assert SAYS_S3 in said


def test_an_expression_that_names_no_lane_on_request_leaves_them_off(run):
    passed, said = run("-m", "not slow")
    assert passed == {"test_plain"}
    assert SAYS_FUZZ in said


def test_a_lane_runs_when_it_is_named(run):
    passed, said = run("-m", "fuzz")
    assert passed == {"test_fuzz", "test_long_fuzz"}
    assert SAYS_FUZZ not in said
    assert SAYS_S3 in said


def test_expressions_with_a_lane_mean_what_they_say(run):
    passed, _ = run("-m", "s3 or (fuzz and not slow)")
    assert passed == {"test_fuzz", "test_s3"}
