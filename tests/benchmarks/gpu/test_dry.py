"""The check of a GPU runs through on a CPU, and the pretended GPU counts what a step does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.gpu.check import ESTIMATES, SECTIONS, main

ROOT = Path(__file__).parents[3]
MOST_WAITS = {"uniform": 5, "hierarchical": 7, "streams": 7, "confidence": 7}
"""Times that the host waits for the device in a step."""


@pytest.mark.slow
def test_every_section_runs_dry_and_leaves_its_figures(tmp_path):
    results = main(["--dry", "--out", str(tmp_path)])
    assert [name for name in results if name.startswith(("FAILED", "SKIPPED"))] == []
    assert {f"seconds {section.__name__}" for section in SECTIONS} <= set(results)
    assert set(ESTIMATES) <= set(results)
    assert set(json.loads((tmp_path / "results.json").read_text())) == set(results)


@pytest.mark.slow
def test_nothing_mixes_devices_and_a_step_seldom_waits():
    command = [sys.executable, "-m", "tests.benchmarks.gpu.pretend_gpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert last == "the whole way with streams: scores of shape (8, 13, 8, 12)"
    heads = [line.split() for line in lines if not line.startswith(" ")]
    waits = {words[0].strip(","): float(words[5]) for words in heads}
    assert set(waits) == set(MOST_WAITS)
    assert {method: number for method, number in waits.items() if number > MOST_WAITS[method]} == {}
